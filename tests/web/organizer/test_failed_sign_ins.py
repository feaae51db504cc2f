"""Failed sign-ins: counted by the hour without a word on whose, and shown to administrators."""

import pytest
from sqlalchemy import event, text

from registration import database
from registration.database import reading, writing
from registration.models import FailedSignIns, Role
from registration.services.organizers import failed_sign_ins
from registration.worker import housekeeping

from ... import builders
from ...desk import ASEL, PASSWORD, SIGN_IN, Desk, signed_in
from ...machine import on_sqlite
from ...visitor import text_of, tree_of

SVG = "{http://www.w3.org/2000/svg}"
PAGE = "/organizer/failed-sign-ins"


@pytest.fixture
def asel(app, clock) -> Desk:
    return signed_in(app, clock)


def counts() -> dict[str, int]:
    with reading() as tx:
        return {f"{row.hour:%d %H:%M}": row.count for row in tx.query(FailedSignIns)}


def fail(desk: Desk, **fields: str) -> None:
    typed = {"email": ASEL, "password": PASSWORD, "code": "000000"} | fields
    assert desk.fill(SIGN_IN, **typed).status_code == 422


def test_each_kind_of_failure_counts_once_in_its_hour(app, clock, asel):
    stranger = Desk(app, clock)
    fail(stranger)
    fail(stranger, password="wrong password")
    fail(stranger, email="nobody@example.org")
    clock.advance(hours=2)
    fail(stranger, email="nobody@example.org")
    assert counts() == {"02 12:00": 3, "02 14:00": 1}


@on_sqlite
def test_a_sign_in_or_an_unfinished_form_does_not_count(app, clock, asel):
    assert asel.sign_in().status_code == 303
    fail(asel, email="")
    fail(asel, csrf_token="x")
    assert counts() == {}


@on_sqlite
def test_nothing_that_was_typed_is_kept(app, clock, asel):
    before = builders.every_row()
    fail(Desk(app, clock), email="canary@example.net", password="canary password")
    after = builders.every_row()
    changed = {name for name in after if after[name] != before[name]}
    # The try itself is counted under a keyed hash, as before.
    assert changed <= {"failed_sign_ins", "throttles"}
    assert "canary" not in str(after)
    with reading() as tx:
        (row,) = tx.execute(text("SELECT * FROM failed_sign_ins")).mappings()
    assert set(row.keys()) == {"hour", "count"}


@on_sqlite
def test_an_unknown_address_costs_the_same_statements_as_a_known_one(app, clock, asel):
    seen: list[str] = []
    tries = []
    stranger = Desk(app, clock)
    fail(stranger)
    with_engine = database.engine()
    event.listen(with_engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    for address in (ASEL, "nobody@example.org", ASEL):
        seen.clear()
        fail(stranger, email=address, password="wrong password")
        tries.append(list(seen))
    assert tries[0] == tries[1] == tries[2]
    assert sum("failed_sign_ins" in statement for statement in tries[1]) == 1


def test_none_of_many_failures_at_once_is_lost(app):
    def note() -> None:
        with writing() as tx:
            failed_sign_ins.note(tx)

    builders.at_once(app, [note] * 24, threads=8)
    assert list(counts().values()) == [24]


def test_counts_are_deleted_after_seven_days(app, clock, asel):
    for _ in range(4):
        with writing() as tx:
            failed_sign_ins.note(tx)
        clock.advance(days=1)
        housekeeping.run_hourly()
    assert len(counts()) == 4
    clock.advance(days=4)
    housekeeping.run_hourly()
    # Four days between two rounds look like a wrong clock: then nobody is erased, but these are.
    assert list(counts()) == ["04 12:00", "05 12:00"]


@on_sqlite
def test_counts_of_hours_to_come_are_deleted_too(app, clock):
    clock.advance(days=30)
    with writing() as tx:
        failed_sign_ins.note(tx)
    clock.advance(days=-30)
    housekeeping.run_hourly()
    assert counts() == {}


@on_sqlite
def test_an_administrator_sees_them_by_the_hour(app, clock, asel):
    assert "0 sign-ins failed within the last 7 days." in text_of(asel.get(PAGE).text)
    for count in (1, 3):
        for _ in range(count):
            with writing() as tx:
                failed_sign_ins.note(tx)
        clock.advance(minutes=50)
        asel.get("/organizer/")
    page = asel.get(PAGE).text
    said = text_of(page)
    assert "4 sign-ins failed within the last 7 days." in said
    assert "The most in one hour were 4, in the hour from 2 March 2026, 12:00 UTC." in said
    tree = tree_of(page)
    bars = [float(it.get("height") or 0) for it in tree.iter(f"{SVG}rect")]
    assert (len(bars), sum(height > 0 for height in bars)) == (7 * 24, 1)
    rows = [" ".join(row.itertext()).split() for row in tree.iter("tr")][1:]
    assert [row[-1] for row in rows] == ["4"]
    assert "4 within the last 24 hours" in text_of(asel.get("/organizer/").text)
    assert f'href="{PAGE}"' in asel.get("/organizer/log").text


@on_sqlite
@pytest.mark.parametrize("role", [Role.ORGANIZER, Role.PARTNER])
def test_no_other_role_sees_them(app, clock, role):
    builders.publish(builders.with_questions())
    partner = "PaperLab" if role is Role.PARTNER else None
    other = signed_in(app, clock, "b@example.org", role, "water", partner=partner)
    missing = other.get("/organizer/never")
    assert (other.get(PAGE).status_code, other.get(PAGE).data) == (404, missing.data)
    assert "24 hours" not in other.get("/organizer/").text


@on_sqlite
def test_the_last_day_is_this_hour_and_the_23_before(app, clock):
    for hours in (0, 1, 23, 1):
        clock.advance(hours=hours)
        with writing() as tx:
            failed_sign_ins.note(tx)
    with reading() as tx:
        assert failed_sign_ins.count_last_day(tx) == 2
        assert sum(hour.count for hour in failed_sign_ins.by_hour(tx)) == 4
