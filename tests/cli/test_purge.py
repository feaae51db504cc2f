"""flask registrations purge: erases due or all registrations, and prints a receipt."""

from datetime import timedelta

from click.testing import Result
from flask import Flask
from sqlalchemy import text

from registration import app_context, create_app, database
from registration.database import reading
from registration.models import Erasure, Letter, Registration
from registration.services.erasure.ledger import read
from registration.worker import housekeeping

from .. import builders
from ..machine import on_sqlite


def purge(app: Flask, *words: str) -> Result:
    done = app.test_cli_runner().invoke(args=["registrations", "purge", *words])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


def rows() -> tuple[int, int]:
    with reading() as tx:
        return tx.query(Registration).count(), tx.query(Letter).count()


def test_purge_erases_due_registrations_and_gives_a_receipt(app, clock):
    builders.publish()
    builders.register()
    builders.register_and_confirm("bolat@example.org")
    clock.advance(hours=72)
    assert purge(app).stdout == "Erased 1 registrations and 1 letters.\n"
    assert rows() == (1, 2)
    assert purge(app).stdout == "Erased 0 registrations and 0 letters.\n"


def test_purge_now_erases_everybody_of_one_discussion(app, tmp_path):
    builders.publish()
    builders.publish_first()
    people = [f"person{number}@example.org" for number in range(5)]
    for address in people:
        builders.register_and_confirm(address)
    builders.register_and_confirm("stays@example.org", "bloody-january")
    file = tmp_path / "attendees.csv"
    words = ["registrations", "export", "water", "--output", str(file)]
    app.test_cli_runner().invoke(args=words)
    assert file.exists()
    assert purge(app, "--now", "water").stdout.splitlines() == [
        "Erased 5 registrations and 10 letters.",
        f"{file} was deleted: nobody is left in it.",
    ]
    assert not file.exists()
    assert rows() == (1, 2)
    assert builders.attendee("stays@example.org", "bloody-january")
    with reading() as tx:
        erased = {row.public_id for row in tx.query(Erasure)}
    assert len(erased) == 5
    assert read(app_context.settings().keys) == erased


@on_sqlite
def test_purge_leaves_no_seal_in_the_raw_file(app):
    builders.publish()
    builders.register()
    with reading() as tx:
        one = tx.query(Registration).one()
        old = [one.sealed, one.address_index, one.token_hash]
    purge(app, "--now", "water")
    folder = app_context.settings().instance
    raw = b"".join(path.read_bytes() for path in folder.glob("registration.sqlite3*"))
    assert [value for value in old if value in raw] == []


@on_sqlite
def test_purge_of_no_such_discussion_is_refused(app):
    builders.publish()
    done = purge(app, "--now", "wine")
    assert (done.exit_code, done.stderr) == (1, "Error: There is no discussion wine.\n")


@on_sqlite
def test_purge_waits_after_a_jump_of_the_clock_and_says_so(app, clock):
    builders.publish()
    builders.register()
    purge(app)
    clock.advance(days=30)
    done = purge(app)
    assert done.exit_code == 1
    until = clock.now + timedelta(hours=24)
    assert f"Erasure waits until {until:%Y-%m-%d %H:%M} UTC, and then goes on." in done.stderr
    assert rows() == (1, 1)
    assert purge(app, "--now", "water").stdout == "Erased 1 registrations and 1 letters.\n"


@on_sqlite
def test_purge_beside_a_reader_leaves_the_journal_to_the_next_round(app, instance):
    builders.publish()
    builders.register()
    journal = app_context.settings().instance / "registration.sqlite3-wal"
    other = create_app(instance)
    with other.app_context():
        with reading() as tx:
            tx.execute(text("SELECT 1 FROM registrations")).all()  # holds a snapshot
            with app.app_context():
                said = purge(app, "--now", "water").stdout
        database.engine().dispose()
    assert "The journal is in use: the worker's next round empties it, within the hour." in said
    assert journal.stat().st_size
    worker = create_app(instance, clock=lambda: app.extensions["clock"]() + timedelta(hours=2))
    with worker.app_context():
        worker.extensions["scrub is due"] = False  # it was started long before
        housekeeping.run_hourly()
        assert journal.stat().st_size == 0
        database.engine().dispose()
