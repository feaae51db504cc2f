"""A stolen database without its keys: nothing of a row leads to a line of a mail server's log."""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import LargeBinary, select

from registration import app_context
from registration.database import Model, UtcDateTime, reading, writing
from registration.models import AuditEntry, Deed, Erasure, Letter, LetterState, SignIn
from registration.services import audit_log
from registration.services.erasure import erasures
from registration.services.operations import key_rotation
from registration.worker import housekeeping, loop

from .. import builders
from ..conftest import Clock
from ..desk import ASEL, signed_in
from ..mail_server import MailServer

pytestmark = pytest.mark.slow

ZONE = "Asia/Almaty"
SESSION = "4F2A1C0D3E.b17-20020a05"
# Where the exact time is of nobody who registered.
EXACT = {
    "discussions": {"published_at", "changed_at", "time_set_at", "starts_at", "ends_at"},
    "revisions": {"created_at"},
    "installation": {"last_round_at", "last_backup_at", "clock_jumped_at"},
    # Its key is an HMAC with the day's salt, and it is gone the day after.
    "throttles": {"at"},
    "organizers": {"added_at", "removed_at", "invited_until"},
    "sign_ins": {"started_at", "seen_at"},
    "drafts": {"saved_at"},
    "exports": {"written_at"},
    "feed_readings": {"last_at", "took"},
}


@pytest.fixture
def stolen(
    app_with: Callable[..., Flask], clock: Clock, mail_server: MailServer
) -> Iterator[Flask]:
    """The service after a morning's work, at times that have seconds."""
    clock.now = clock.now.replace(second=41, microsecond=271828)
    app = app_with()
    mail_server.take_letters_of(app)
    with app.app_context():
        builders.publish()
        builders.register(zone=ZONE, language="kk")
        builders.register(address="bolat@example.org", zone=ZONE)
        loop.deliver_due()
        clock.advance(minutes=3, seconds=7)
        builders.confirm()
        mail_server.refusals["DATA"] = lambda _to: f"451 4.3.0 later, {SESSION} at 12:03:48"
        loop.deliver_due()
        mail_server.refusals.clear()
        clock.advance(minutes=3, seconds=7)
        loop.deliver_due()
        builders.register(address="later@example.org")
        mail_server.refusals["DATA"] = lambda _to: f"550 5.7.1 no, {SESSION} at 12:03:48"
        loop.deliver_due()
        yield app


def content() -> str:
    """Return every row, with binary values in the clear."""
    return "\n".join(line for lines in builders.every_row().values() for line in lines)


def test_no_message_id_is_in_the_database(stolen, mail_server):
    ids = [message["Message-ID"] for message in mail_server.messages]
    assert len(set(ids)) == 3
    rows = content()
    for message_id in ids:
        assert message_id.strip("<>").partition("@")[0] not in rows


def test_a_message_id_depends_on_the_key(stolen):
    with reading() as tx:
        letter = tx.scalars(select(Letter)).first()
        before = letter.message_id(tx.keys, "a.example")
    with writing() as tx:
        key_rotation.rotate(tx, app_context.settings().keys, None)
    app_context.open_keys()
    with reading() as tx:
        assert letter.message_id(tx.keys, "a.example") != before


def test_no_id_and_no_time_of_the_servers_log_is_in_an_answer(stolen):
    with reading() as tx:
        said = {letter.state: letter.server_answer for letter in tx.scalars(select(Letter))}
    assert said == {
        LetterState.SENT: "250",
        LetterState.FAILED: "550 5.7.1 no, <id> at <id>",
    }
    assert SESSION not in content()


def test_zone_and_language_are_sealed(stolen):
    assert builders.attendee().zone == ZONE
    assert builders.attendee().language == "kk"
    with reading() as tx:
        rows = repr(tx.execute(Model.metadata.tables["registrations"].select()).all())
    assert ZONE not in rows
    assert "'kk'" not in rows


def test_times_of_registrations_and_letters_have_no_seconds(stolen):
    checked = 0
    with reading() as tx:
        for table in Model.metadata.sorted_tables:
            for column in table.columns:
                if not isinstance(column.type, UtcDateTime):
                    continue
                if column.name in EXACT.get(table.name, ()) or column.name == "lease_until":
                    continue
                for moment in filter(None, tx.scalars(select(column))):
                    checked += 1
                    assert (moment.second, moment.microsecond) == (0, 0), column
    assert checked > 20


def test_a_sealed_value_does_not_tell_when_it_was_sealed(stolen):
    sealed = []
    with reading() as tx:
        for table in Model.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, LargeBinary) and column.name == "sealed":
                    sealed += tx.scalars(select(column)).all()
    assert len(sealed) >= 3
    # A Fernet token: a version byte and eight bytes of time, in base64.
    assert {base64.urlsafe_b64decode(value)[1:9] for value in sealed} == {bytes(8)}


def test_an_erasure_is_dated_by_day_and_who_did_it_is_forgotten(stolen, clock):
    signed_in(stolen, clock, ASEL)
    with writing() as tx:
        by = tx.scalars(select(SignIn.organizer_id)).first()
        audit_log.note(tx, Deed.ATTENDEE_ERASED, by=by, slug="water", count=1)
        audit_log.note(tx, Deed.ATTENDEE_ADDED, by=by, slug="water", count=1)
        audit_log.note(tx, Deed.EXPORTED, by=by, slug="water", count=1)
        erasures.erase(tx, builders.registration_of(), letters=None)
    with reading() as tx:
        assert tx.scalars(select(Erasure.day)).all() == [clock.now.date()]
        assert _entry(tx, Deed.ATTENDEE_ERASED).at == _midnight(clock.now)
    clock.advance(days=1)
    housekeeping.run_hourly()
    with reading() as tx:
        assert _entry(tx, Deed.ATTENDEE_ERASED).organizer_id == by
    for _day in range(32):
        clock.advance(days=1)
        housekeeping.run_hourly()
    with reading() as tx:
        for deed in (Deed.ATTENDEE_ERASED, Deed.ATTENDEE_ADDED):
            entry = _entry(tx, deed)
            assert (entry.organizer_id, entry.is_organizer_forgotten) == (None, True)
            assert (entry.slug, entry.count) == ("water", 1)
        assert _entry(tx, Deed.EXPORTED).organizer_id == by
    assert (
        "no longer stored" in signed_in(stolen, clock, "b@example.org").get("/organizer/log").text
    )


def _entry(tx, deed: Deed) -> AuditEntry:
    return tx.scalars(select(AuditEntry).where(AuditEntry.deed == deed)).one()


def _midnight(moment: datetime) -> datetime:
    return moment - timedelta(
        hours=moment.hour,
        minutes=moment.minute,
        seconds=moment.second,
        microseconds=moment.microsecond,
    )
