"""Mailings: each recipient gets one; they can be stopped, are sealed, and erased in time."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from registration import app_context, outbox
from registration.database import reading, writing
from registration.models import (
    AuditEntry,
    Deed,
    Erasure,
    Group,
    Letter,
    LetterKind,
    LetterState,
    Mailing,
    Registration,
)
from registration.services import catalog
from registration.services.erasure import ledger
from registration.services.mailings import mailings, recipients, unsubscribe
from registration.services.mailings.mailings import (
    Draft,
    MailingChanged,
    NobodyToWriteTo,
    Progress,
)
from registration.services.operations import health_checks, key_rotation
from registration.services.registrations import self_service
from registration.worker import housekeeping, loop

from ... import builders
from ...desk import invite
from ...machine import on_sqlite

SECRET = "Nurlan was released"
OPEN = 'address_confirmation = false\nregistration = "open"\n'


def draft(*groups: Group, text: str = "Dear {{ name }}, " + SECRET, subject: str = "News") -> str:
    """Keep a draft, and return its id."""
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        typed = Draft(subject, text, groups or (Group.CONFIRMED,))
        return mailings.save(tx, discussion, typed, by=1).public_id


def queue(public_id: str, version: int = 1) -> None:
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        mailings.queue(tx, discussion, public_id, version, by=1)


def stop(public_id: str) -> None:
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        mailings.stop(tx, discussion, public_id, by=1)


def progress(public_id: str) -> Progress:
    with reading() as tx:
        discussion = catalog.find(tx, "water")
        found = mailings.find(tx, discussion, public_id)
        return mailings.progress(tx, found)


def names(*groups: Group) -> list[str]:
    """Return the names of the recipients of a mailing to these groups."""
    with reading() as tx:
        discussion = catalog.find(tx, "water")
        wanted = recipients.select_ids(discussion, groups, has_link=False, now=app_context.now())
        ring = tx.keys
        ids = tx.scalars(wanted.order_by(Registration.id)).all()
        return [tx.get_one(Registration, one).attendee(ring).name for one in ids]


def mark_attended(name: str) -> None:
    with writing() as tx:
        found = builders.registration_of(f"{name}@example.org")
        tx.get_one(Registration, found.id).attended_at = app_context.now()


def stop_letters(name: str) -> None:
    with writing() as tx:
        found = tx.get_one(Registration, builders.registration_of(f"{name}@example.org").id)
        unsubscribe.stop(tx, found)


@pytest.fixture
def people(app):
    """Three with a seat, one who waits, one who has withdrawn, and one organizer."""
    invite()
    builders.publish(builders.file(OPEN + "seats = 4"))
    for name in ("dina", "erlan", "farida", "gone", "waits"):
        builders.register(address=f"{name}@example.org", name=name)
    with writing() as tx:
        found = tx.get_one(Registration, builders.registration_of("gone@example.org").id)
        found.withdrawn_at, found.seated_at = app_context.now(), None
        tx.query(Registration).update({"address_proved_at": app_context.now()})
    builders.deliver()


def test_groups_follow_the_status_of_now_and_count_each_attendee_once(clock, people):
    assert names(Group.CONFIRMED) == ["dina", "erlan", "farida"]
    assert names(Group.WAITING) == ["waits"]
    mark_attended("dina")
    assert names(Group.ATTENDED) == ["dina"]
    assert names(Group.ABSENT) == []  # it is still to come
    clock.advance(days=40)
    assert names(Group.ABSENT) == ["erlan", "farida"]
    assert names(*Group) == ["dina", "erlan", "farida", "waits"]
    stop_letters("erlan")
    assert names(*Group) == ["dina", "farida", "waits"]


def test_a_mailing_is_sent_once_to_each_despite_repeated_presses(app, people):
    number = draft(Group.CONFIRMED, Group.WAITING)
    builders.at_once(app, [lambda: queue(number)] * 4)
    queue(number)
    builders.deliver()
    sent = [str(it["To"]) for it in builders.kept_letters(app) if it["Subject"] == "News"]
    assert sorted(sent) == [f"{it}@example.org" for it in ("dina", "erlan", "farida", "waits")]
    assert progress(number) == Progress(sent=4)
    with reading() as tx:
        (entry,) = tx.query(AuditEntry).filter_by(deed=Deed.QUEUED)
    assert (entry.slug, entry.count, entry.detail) == ("water", 4, "confirmed, waiting")


def test_a_concurrent_erasure_does_not_stop_a_mailing(app, people):
    number = draft()
    tokens = [builders.attendee(f"{it}@example.org").token for it in ("dina", "erlan")]

    def erase(token: str) -> None:
        with writing() as tx:
            registration, _discussion = self_service.by_token(tx, token)
            self_service.erase(tx, registration)

    acts = [lambda: queue(number), *(lambda token=token: erase(token) for token in tokens)]
    builders.at_once(app, acts)
    assert progress(number).owed >= 1
    with reading() as tx:
        there = set(tx.scalars(select(Registration.id)))
        owed = tx.query(Letter).filter_by(kind=LetterKind.MAILING)
        assert {it.registration_id for it in owed} <= there


@on_sqlite
def test_an_unseen_draft_or_an_empty_group_is_not_queued(people):
    number = draft()
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        newer = Draft("Other", "Other", (Group.ATTENDED,))
        mailings.save(tx, discussion, newer, public_id=number, version=1, by=1)
    with pytest.raises(MailingChanged):
        queue(number, 1)
    with pytest.raises(NobodyToWriteTo):
        queue(number, 2)
    assert progress(number) == Progress()


def test_stopped_while_a_batch_is_in_hand_nobody_gets_it_any_more(app, people):
    number = draft()
    queue(number)
    with writing() as tx:
        first, _second = outbox.claim(tx, 2)
    assert loop._deliver_one(opened(app), first)
    stop(number)
    assert progress(number) == Progress(sent=1, owed=1, dropped=1)  # one is in hand still
    assert not loop._deliver_one(opened(app), _second)
    builders.deliver()
    assert progress(number) == Progress(sent=1, dropped=2)
    with reading() as tx:
        assert tx.query(AuditEntry).filter_by(deed=Deed.STOPPED).one().count == 1


def opened(app):
    delivery = app_context.new_delivery()
    delivery.open()
    return delivery


@on_sqlite
def test_attendees_who_withdraw_or_unsubscribe_before_sending_get_none(app, people):
    number = draft()
    queue(number)
    stop_letters("dina")
    with writing() as tx:  # a worker that has claimed the letter checks again
        tx.get_one(
            Registration, builders.registration_of("erlan@example.org").id
        ).withdrawn_at = app_context.now()
        tx.get_one(
            Registration, builders.registration_of("farida@example.org").id
        ).mailings_stopped_at = app_context.now()
    before = len(builders.kept_letters(app))
    builders.deliver()
    assert progress(number) == Progress(dropped=3)
    assert len(builders.kept_letters(app)) == before


@on_sqlite
def test_no_other_letter_waits_for_a_mailing(people, clock):
    queue(draft())
    clock.advance(minutes=1)
    builders.register(address="late@example.org")  # one seat is free: the waiting list gets it
    with writing() as tx:
        claimed = outbox.claim(tx, 3)
    kinds = [LetterKind.WAITING, LetterKind.SEAT, LetterKind.MAILING]
    assert [it.kind for it in claimed] == kinds


@on_sqlite
def test_mail_is_not_said_to_be_stuck_while_mailings_leave(app, people, clock):
    queue(draft())
    clock.advance(minutes=20)

    def is_stuck() -> bool:
        with reading() as tx:
            said = health_checks.problems(tx)
        return any("Mail is stuck" in sentence for sentence in said)

    assert is_stuck()
    with writing() as tx:
        (letter,) = outbox.claim(tx, 1)
    loop._deliver_one(opened(app), letter)
    assert not is_stuck()


@on_sqlite
def test_a_rotation_seals_mailings_anew_with_the_new_key_alone(people):
    number = draft()
    assert SECRET not in str(builders.every_row())
    before, settings = builders.ring().current, app_context.settings()
    with writing() as tx:
        key_rotation.rotate(tx, settings.keys, settings.credentials)
    (settings.keys / f"{before}.key").unlink()
    with reading() as tx:
        found = tx.query(Mailing).one()
        assert found.wording(tx.keys).text.endswith(SECRET)
        assert found.key_id == tx.keys.current != before
    queue(number)
    assert builders.deliver() == 3


@on_sqlite
def test_it_is_erased_when_its_time_has_come_and_not_before(app, people, clock):
    number = draft()
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        mailings.send_test(tx, discussion, number, by=1)
    builders.deliver()
    assert "Test: News" in [it["Subject"] for it in builders.kept_letters(app)]
    with reading() as tx:
        ends = catalog.find(tx, "water").ends_at
    clock.now = ends + timedelta(days=10)
    queue(number)
    builders.register(address="late@example.org")
    builders.deliver()
    clock.now = ends + timedelta(days=39)
    housekeeping.erase_due()
    with reading() as tx:
        assert tx.query(Mailing).count() == 1
    clock.now = ends + timedelta(days=40)
    receipt = housekeeping.erase_due()
    assert receipt.mailings == (number,)
    assert "Test: News" not in [it["Subject"] for it in builders.kept_letters(app)]
    with reading() as tx:
        assert tx.query(Mailing).count() == 0
        assert tx.query(Erasure).filter_by(public_id=number).count() == 1
        assert tx.query(Letter).filter_by(kind=LetterKind.MAILING).count() == 0
    assert number in ledger.read(app_context.settings().keys)


@on_sqlite
def test_purging_a_discussion_erases_its_mailings_and_no_other(app, people):
    builders.publish(builders.file('slug = "rivers"\n' + OPEN))
    number = draft()
    queue(number)
    with writing() as tx:
        other = catalog.find(tx, "rivers")
        typed = Draft("x", "x", (Group.CONFIRMED,))
        kept = mailings.save(tx, other, typed, by=1)
    done = app.test_cli_runner().invoke(args=["registrations", "purge", "--now", "water"])
    assert "and 1 texts to attendees" in done.output
    with reading() as tx:
        assert [it.public_id for it in tx.query(Mailing)] == [kept.public_id]
        states = {it.state for it in tx.query(Letter).filter_by(kind=LetterKind.MAILING)}
        assert states <= {LetterState.DROPPED}
