"""Health and metrics: faults are reported to permitted clients, and no person is named."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registration import app_context, create_app, outbox
from registration.database import engine, writing
from registration.models import Installation, Letter, LetterState, Registration
from registration.version import VERSION
from registration.worker import housekeeping

from .. import builders
from ..conftest import Clock
from ..machine import on_sqlite
from ..visitor import Browser, Visitor

ONION = "http://" + "a2" * 28 + ".onion"
STUCK = "Mail is stuck: a letter has waited for more than 15 minutes."
FAILED = "A letter has failed within the last day."
HELD = "As many first letters as LETTERS_AN_HOUR allows have left: further ones wait."
OVERDUE = "Erasure is overdue: a registration is held for longer than was promised."
NO_ROUND = "No round has been made for 3 hours: does the worker run?"
JUMPED = "Erasure waits: the clock has jumped."
NOT_NOTED = "What is erased cannot be noted beside the keys: a restored backup would have it again."
NO_BACKUP = "There is no backup of the last 2 days."
CLOSED = "Pages are not served: `flask database check` says why."
DOWN = {"status": "unavailable", "why": ["The database does not answer."]}


@pytest.fixture
def served(app: Flask, visitor: Visitor) -> Visitor:
    """A visitor of a service that has made its round, with one discussion."""
    builders.publish(builders.file('registration = "open"'))
    housekeeping.run_hourly()
    return visitor


def why(visitor: Visitor) -> list[str]:
    """Return what health complains of."""
    answer = visitor.get("/health")
    assert answer.status_code == 200
    found = answer.json
    assert found["status"] == ("degraded" if found.get("why") else "ok")
    return found.get("why", [])


def change(model: type, **values: Any) -> None:
    with writing() as tx:
        tx.execute(update(model).values(**values))


def test_all_is_well(served):
    answer = served.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_asking_changes_nothing(served):
    before = builders.every_row()
    for path in ("/health", "/metrics", "/.well-known/security.txt"):
        assert served.get(path).status_code == 200
        assert served.client.post(path).status_code == 405
    assert builders.every_row() == before


def test_a_new_installation_is_well_before_its_first_round(app, visitor):
    assert why(visitor) == []
    builders.publish()
    assert why(visitor) == []


def test_a_letter_untried_for_a_quarter_of_an_hour_is_reported(served, clock):
    builders.register()
    clock.advance(minutes=15)
    assert why(served) == []
    clock.advance(seconds=1)
    assert why(served) == [STUCK]
    builders.deliver()
    assert why(served) == []


def test_a_letter_that_fails_for_a_quarter_of_an_hour_is_reported(served, clock):
    builders.register()
    began = clock.now
    while clock.now - began <= timedelta(minutes=15):
        assert why(served) == []
        put_off(clock)
        clock.advance(minutes=1)
    assert why(served) == [STUCK]


def put_off(clock: Clock) -> None:
    """Try what is due, as with a server that says to try later."""
    with writing() as tx:
        for letter in outbox.claim(tx, 10):
            tx.flush()
            outbox.mark_retry(tx, letter, "451 later")


def test_a_letter_that_failed_is_told_for_a_day(served, clock):
    builders.register()
    change(Letter, state=LetterState.FAILED)
    assert why(served) == [FAILED]
    clock.advance(hours=23)
    housekeeping.run_hourly()
    assert why(served) == [FAILED]
    clock.advance(hours=1)
    assert why(served) == []


def test_letters_that_the_breaker_holds_are_told_and_are_not_stuck(served, app, clock):
    app.extensions["settings"] = replace(app_context.settings(), letters_an_hour=10)
    for number in range(11):
        builders.register(address=f"a{number}@example.org")
    assert builders.deliver() == 10
    assert why(served) == [HELD]
    clock.advance(minutes=20)
    assert why(served) == [HELD]
    clock.advance(minutes=41)
    assert builders.deliver() == 1
    assert why(served) == []


def test_rounds_that_stay_out_are_told(served, clock):
    clock.advance(hours=3)
    assert why(served) == []
    clock.advance(seconds=1)
    assert why(served) == [NO_ROUND]
    housekeeping.run_hourly()
    assert why(served) == []


def test_an_erasure_that_is_late_is_told(served, clock):
    builders.register()
    builders.deliver()
    change(Registration, erase_at=clock.now - timedelta(hours=2))
    assert why(served) == []
    clock.advance(minutes=1)
    assert why(served) == [OVERDUE]
    clock.advance(hours=1)
    housekeeping.run_hourly()
    assert why(served) == []


def test_a_worker_that_never_ran_is_told(app, visitor, clock):
    builders.publish()
    clock.advance(hours=4)
    assert why(visitor) == [NO_ROUND]


def test_a_clock_that_jumped_is_told(served, clock):
    change(Installation, clock_jumped_at=clock.now)
    assert why(served) == [JUMPED]


def test_a_backup_is_missed_only_where_there_has_been_one(served, clock):
    change(Installation, last_backup_at=clock.now)
    clock.advance(hours=48)
    change(Installation, last_round_at=clock.now)
    assert why(served) == []
    clock.advance(seconds=1)
    assert why(served) == [NO_BACKUP]


def test_a_list_of_erasures_that_cannot_be_written_is_told(served):
    file = app_context.settings().keys / "erasures"
    file.unlink()
    assert why(served) == []
    file.mkdir()
    assert why(served) == [NOT_NOTED]


def test_health_tells_nobody_how_many_there_are(served, clock):
    builders.register()
    clock.advance(hours=100)
    few = served.get("/health").text
    for number in range(5):
        builders.register(address=f"a{number}@example.org")
    clock.advance(hours=100)
    assert served.get("/health").text == few
    assert "water" not in few


def test_a_service_without_its_key_is_degraded(instance, clock):
    app = create_app(instance, clock=clock)
    (key,) = app.extensions["settings"].keys.iterdir()
    key.unlink()
    answer = Browser(app).get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "degraded", "why": [CLOSED]})
    assert Browser(app).get("/metrics").status_code == 503
    with app.app_context():
        engine().dispose()


@on_sqlite
def test_a_database_that_does_not_answer_is_unavailable(served, app, instance):
    database = Path(instance["INSTANCE"], "registration.sqlite3")
    engine().dispose()
    for file in database.parent.glob("registration.sqlite3*"):
        file.unlink()
    database.write_bytes(b"no database" * 1000)
    answer = served.get("/health")
    assert (answer.status_code, answer.json) == (503, DOWN)
    assert answer.headers["Cache-Control"] == "no-store"


@on_sqlite
def test_a_server_that_does_not_answer_is_unavailable(instance, clock):
    # Nobody listens there.
    url = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    app = create_app(instance | {"DATABASE_URL": url}, clock=clock)
    answer = Browser(app).get("/health")
    assert (answer.status_code, answer.json) == (503, DOWN)


@pytest.fixture
def public(instance, clock) -> Iterator[Flask]:
    """The same service as others reach it, behind one proxy."""
    settings = {"PUBLIC_URL": "https://events.example.org", "TRUSTED_PROXIES": 1}
    app = create_app(instance | settings, clock=clock)
    with app.app_context():
        yield app
        engine().dispose()


@on_sqlite
@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_a_probe_of_this_machine_asks_by_address(public, path):
    visitor = Visitor(public, None)
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.0.0.1"):
        assert visitor.get(path, Host=host).status_code == 200
        assert visitor.get("/", Host=host).status_code == 400
    assert visitor.get(path, Host="evil.example").status_code == 400
    far = {"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "127.0.0.1:8000"}
    assert visitor.client.get(path, environ_overrides=far).status_code == 400
    behind = {"Host": "127.0.0.1:8000", "X_Forwarded_For": "192.0.2.1"}
    assert visitor.get(path, **behind).status_code == 400


@on_sqlite
def test_metrics_are_for_this_machine_alone(public):
    visitor = Visitor(public, None)
    ours = {"Host": "events.example.org"}
    assert visitor.get("/health", **ours).status_code == 200
    assert visitor.get("/metrics", **ours).status_code == 200
    missing = visitor.get("/nothing", **ours)
    for name in ("X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "Forwarded"):
        answer = visitor.get("/metrics", **ours, **{name: "127.0.0.1"})
        assert (answer.status_code, answer.data) == (404, missing.data)
    far = {"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "events.example.org"}
    assert visitor.client.get("/metrics", environ_overrides=far).status_code == 404


@on_sqlite
@pytest.mark.parametrize("onion", [{"ONION_URL": ONION}, {"PUBLIC_URL": ONION}])
def test_a_visitor_of_the_onion_service_is_not_taken_for_this_machine(instance, clock, onion):
    # Tor connects from loopback, and the visitor writes the Host header.
    app = create_app(instance | onion, clock=clock)
    for host in (ONION.removeprefix("http://"), "127.0.0.1:8000"):
        assert Visitor(app, clock).get("/metrics", Host=host).status_code in {400, 404}
        assert Visitor(app, clock).get("/letters/", Host=host).status_code in {400, 404}
    with app.app_context():
        engine().dispose()


@on_sqlite
def test_metrics_are_for_others_where_that_is_set(instance, clock):
    app = create_app(instance | {"OPEN_METRICS": True}, clock=clock)
    answer = Visitor(app, clock).get("/metrics", X_Forwarded_For="192.0.2.1")
    assert answer.status_code == 200
    with app.app_context():
        engine().dispose()


SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?P<labels>[a-zA-Z_]\w*="[^"\\\n]*"(?:,[a-zA-Z_]\w*="[^"\\\n]*")*)\})?'
    r" (?P<value>-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)"
)


def read_metrics(text: str) -> dict[str, float]:
    """Read the text format 0.0.4 strictly; return each sample's value by name and labels."""
    assert text.endswith("\n")
    found: dict[str, float] = {}
    kinds: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in kinds
            assert len(line.split(" ")) > 3
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == name
            kinds[name] = line.split(" ")[3]
            assert kinds[name] == ("counter" if name.endswith("_total") else "gauge")
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample["name"] == name
            key = line.rpartition(" ")[0]
            assert key not in found
            found[key] = float(sample["value"])
    return found


def test_metrics_count_and_name_nobody(served, clock):
    builders.register()
    builders.register(address="b@example.org")
    builders.deliver()
    for address in ("c@example.org", "d@example.org"):
        builders.register(address=address)
    clock.advance(minutes=5)
    change(Registration, erase_at=clock.now)
    change(Installation, last_backup_at=clock.now)
    answer = served.get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert read_metrics(answer.text) == {
        'registration_outbox_letters{state="owed"}': 2,
        'registration_outbox_letters{state="sent"}': 2,
        'registration_outbox_letters{state="failed"}': 0,
        'registration_outbox_letters{state="held"}': 0,
        'registration_outbox_letters{state="dropped"}': 0,
        "registration_outbox_oldest_due_seconds": 300,
        "registration_failed_letters": 0,
        "registration_erasures_due": 4,
        "registration_erasures_total": 0,
        "registration_last_round_timestamp_seconds": clock.now.timestamp() - 300,
        "registration_last_backup_timestamp_seconds": clock.now.timestamp(),
        "registration_failed_sign_ins": 0,
        f'registration_schema_info{{revision="{revision()}"}}': 1,
        f'registration_build_info{{version="{VERSION}"}}': 1,
    }
    for word in ("water", "Saule", "Айгерим", "example.org"):
        assert word not in answer.text


def revision() -> str:
    with engine().connect() as connection:
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def test_metrics_follow_erasure(served, clock):
    builders.register()
    change(Registration, erase_at=clock.now)
    clock.advance(hours=1)
    housekeeping.run_hourly()
    found = read_metrics(served.get("/metrics").text)
    assert found["registration_erasures_due"] == 0
    assert found["registration_erasures_total"] == 1
    assert found["registration_last_round_timestamp_seconds"] == clock.now.timestamp()
