"""The worker's round: once an hour, what is due is erased."""

from datetime import timedelta

from sqlalchemy import text

from registration import database
from registration.database import reading, writing
from registration.models import Draft, Letter, Registration
from registration.services.erasure import erasures
from registration.services.registrations import self_service
from registration.worker import housekeeping

from .. import builders
from ..desk import invite
from ..machine import on_sqlite
from .test_loop import owe, people


def test_a_round_erases_due_registrations_and_leaves_the_rest(app, clock):
    owe(*people(3))
    builders.confirm("person2@example.net")
    builders.deliver()
    clock.advance(hours=72)
    housekeeping.run_hourly()
    with reading() as tx:
        assert tx.query(Registration).count() == 1
    assert [letter["To"] for letter in builders.kept_letters(app)] == ["person2@example.net"]
    assert builders.registration_of("person2@example.net").confirmed_at


def test_a_round_is_made_once_an_hour(app, clock):
    builders.publish()
    housekeeping.run_hourly()
    builders.register()
    with writing() as tx:
        tx.query(Registration).update({"erase_at": clock.now})
    clock.advance(minutes=59)
    housekeeping.run_hourly()
    with reading() as tx:
        assert tx.query(Registration).count() == 1
    clock.advance(minutes=1)
    housekeeping.run_hourly()
    with reading() as tx:
        assert tx.query(Registration).count() == 0


def test_a_round_is_made_when_the_clock_was_put_back(app, clock):
    housekeeping.run_hourly()
    clock.now -= timedelta(days=400)
    owe("aigerim@example.org")
    with writing() as tx:
        tx.query(Registration).update({"erase_at": clock.now})
    housekeeping.run_hourly()
    with reading() as tx:
        assert tx.query(Registration).count() == 0


def test_delivering_once_erases_due_registrations_too(app, clock):
    builders.publish()
    builders.register()
    clock.advance(days=10)
    done = app.test_cli_runner().invoke(args=["outbox", "deliver"])
    assert (done.exit_code, done.output) == (0, "0 letters delivered.\n")
    assert letters_and_registrations() == (0, 0)


@on_sqlite
def test_a_journal_in_use_is_emptied_when_it_is_free(app, clock):
    builders.publish()
    person = builders.register_and_confirm()
    housekeeping.run_hourly()
    journal = app.extensions["settings"].instance / "registration.sqlite3-wal"
    with reading() as tx:
        tx.execute(text("SELECT 1 FROM registrations")).all()  # holds a snapshot
        with writing() as other:
            registration, _discussion = self_service.by_token(other, person.token)
            erasures.erase(other, registration, letters=None)
        database.scrub()
        assert database.is_scrub_due()
    housekeeping.run_hourly()
    assert not database.is_scrub_due()
    assert journal.stat().st_size == 0


def letters_and_registrations() -> tuple[int, int]:
    with reading() as tx:
        return tx.query(Letter).count(), tx.query(Registration).count()


@on_sqlite
def test_a_draft_that_nobody_goes_on_with_is_erased(app, clock):
    invite()
    with writing() as tx:
        for slug, days in (("old", 30), ("newer", 29)):
            saved_at = clock.now - timedelta(days=days)
            tx.add(Draft(slug=slug, typed={}, based_on=0, saved_at=saved_at, organizer_id=1))
    housekeeping.run_hourly()
    with reading() as tx:
        assert [it.slug for it in tx.query(Draft)] == ["newer"]
