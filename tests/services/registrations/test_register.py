"""Registering, confirming and coming back: the data kept, the letters, and the form that wins."""

from datetime import timedelta
from functools import partial

import pytest
from icalendar import Calendar

from registration.database import writing
from registration.services.catalog import NoSuchDiscussion
from registration.services.discussions import publication
from registration.services.registrations import self_service
from registration.services.registrations.register import RegistrationClosed
from registration.text import addresses

from ... import builders
from ...machine import on_sqlite

AIGERIM = "aigerim@example.org"


def withdraw() -> None:
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, builders.attendee().token)
        self_service.withdraw(tx, registration)


def sequences(app, clock) -> list[tuple[str, int]]:
    """Return METHOD and SEQUENCE of every invitation that was sent, in order."""
    builders.deliver()
    found = []
    for letter in builders.kept_letters(app):
        for part in letter.iter_attachments():
            calendar = Calendar.from_ical(part.get_content())
            found.append((str(calendar["METHOD"]), int(str(calendar.events[0]["SEQUENCE"]))))
    clock.advance(minutes=1)
    return found


def test_register_keeps_everything_sealed_and_owes_one_letter(app):
    builders.publish()
    typed = {"affiliation": "Almaty", "answers": {"q": ["a", "b"], "yes": True}}
    builders.register(shared_with=["PaperLab"], **typed)
    held = builders.attendee()
    assert (held.name, held.address, held.affiliation) == ("Айгерим", AIGERIM, "Almaty")
    assert (held.answers, held.shared_with) == ({"q": ["a", "b"], "yes": True}, ["PaperLab"])
    assert len({held.public_id, held.token, held.calendar_token}) == 3
    assert builders.letter_kinds() == ["address_confirmation"]


@on_sqlite
def test_register_promises_the_dates_of_erasure(app, clock):
    discussion = builders.publish()
    builders.register()
    assert builders.registration_of().erase_at == clock.now + timedelta(hours=72)
    builders.confirm()
    assert builders.registration_of().erase_at == discussion.ends_at + timedelta(days=30)


@on_sqlite
def test_register_after_the_discussion_counts_from_the_registration(app, clock):
    builders.publish_first()
    builders.register_and_confirm(slug="bloody-january")
    erase_at = builders.registration_of(slug="bloody-january").erase_at
    assert erase_at == clock.now + timedelta(days=30)


@on_sqlite
def test_register_refuses_an_unknown_discussion(app):
    with pytest.raises(NoSuchDiscussion):
        builders.register("nowhere")


@on_sqlite
@pytest.mark.parametrize(
    "changes", ['registration = "closed"', "registration = 2026-03-02T16:59:59"]
)
def test_register_refuses_when_the_discussion_is_closed(app, changes):
    builders.publish(builders.file(changes))
    with pytest.raises(RegistrationClosed):
        builders.register()
    assert (builders.count_registrations(), builders.letter_kinds()) == (0, [])


@on_sqlite
def test_register_refuses_once_the_discussion_has_ended_or_is_unpublished(app, clock):
    discussion = builders.publish()
    clock.now = discussion.ends_at - timedelta(seconds=1)
    builders.register()
    clock.now = discussion.ends_at
    with pytest.raises(RegistrationClosed):
        builders.register(address="b@example.org")
    clock.now = discussion.starts_at
    with writing() as tx:
        publication.unpublish(tx, "water")
    with pytest.raises(RegistrationClosed):
        builders.register(address="b@example.org")


def test_a_form_changes_nothing_of_an_earlier_one(app):
    builders.publish()
    builders.register(name="Айгерим", affiliation="Almaty")
    before = builders.attendee()
    builders.register(name="Mallory", answers={"q": "hers"})
    assert builders.attendee() == before
    assert builders.count_registrations() == 1
    assert builders.letter_kinds() == ["address_confirmation"] * 2


def test_a_confirmed_registration_is_never_changed_by_the_form(app):
    builders.publish()
    builders.register_and_confirm(answers={"q": "mine"})
    before = builders.attendee()
    builders.register(name="Mallory", answers={"q": "hers"})
    assert builders.attendee() == before
    assert builders.letter_kinds()[2:] == ["already_registered"]


@on_sqlite
def test_a_waiting_registration_is_never_changed_by_the_form(app):
    builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm("other@example.org")
    builders.register_and_confirm()
    before = builders.attendee()
    builders.register(name="Mallory")
    assert builders.attendee() == before
    assert builders.registration_of().status.value == "waiting"


@on_sqlite
def test_an_address_in_other_letters_is_the_same(app):
    builders.publish()
    for address in (AIGERIM, "AIGERIM@example.org", "Aigerim@EXAMPLE.org", f" {AIGERIM} "):
        builders.register(address=address)
    assert builders.count_registrations() == 1


@on_sqlite
def test_an_address_in_its_unicode_and_ascii_domain_is_the_same(app):
    builders.publish()
    for address in ("aigerim@пример.қаз", "aigerim@xn--e1afmkfd.xn--80ao21a", "aigerim@ПРИМЕР.ҚАЗ"):
        builders.register(address=address)
    assert builders.count_registrations() == 1
    assert builders.attendee("aigerim@xn--e1afmkfd.xn--80ao21a").name == "Айгерим"


def test_two_discussions_know_nothing_of_each_other(app):
    builders.publish()
    builders.publish_first()
    builders.register()
    builders.register("bloody-january")
    here, there = builders.registration_of(), builders.registration_of(slug="bloody-january")
    assert here.address_index != there.address_index
    assert builders.count_registrations() == 2


@on_sqlite
def test_confirm_twice_sends_one_letter(app):
    builders.publish()
    builders.register()
    builders.confirm()
    first = builders.registration_of()
    builders.confirm()
    assert builders.letter_kinds() == ["address_confirmation", "confirmation"]
    assert builders.registration_of().confirmed_at == first.confirmed_at


def test_one_address_gets_three_letters_a_day_for_each_discussion(app, clock):
    builders.publish()
    builders.publish_first()
    for _ in range(6):
        builders.register()
        builders.deliver()
        clock.advance(hours=1)
    assert builders.letter_kinds() == ["address_confirmation"] * 3
    builders.register("bloody-january")
    assert len(builders.letter_kinds()) == 4
    clock.advance(days=1)
    builders.register()
    assert len(builders.letter_kinds()) == 5


@on_sqlite
def test_the_form_and_the_lost_link_share_one_cap(app):
    builders.publish()
    builders.register_and_confirm()
    builders.register()
    address = addresses.parse(AIGERIM)
    for _ in range(3):
        with writing() as tx:
            self_service.send_links(tx, address)
    kinds = ["address_confirmation", "confirmation", "already_registered", "link"]
    assert builders.letter_kinds() == kinds


@on_sqlite
@pytest.mark.parametrize("asks", [True, False], ids=["asks", "does not ask"])
def test_a_new_registration_outranks_the_cancellation_in_the_calendar(app, clock, asks):
    builders.publish(builders.file(f"address_confirmation = {str(asks).lower()}"))
    for _ in range(2):
        builders.register()
        if asks or builders.registration_of().is_withdrawn:
            builders.confirm()
        sequences(app, clock)
        withdraw()
        sent = sequences(app, clock)
        clock.advance(days=1)
    assert [method for method, _sequence in sent] == ["REQUEST", "CANCEL"] * 2
    ranks = [sequence for _method, sequence in sent]
    assert ranks == sorted(set(ranks)), "each outranks the one before"


@on_sqlite
@pytest.mark.parametrize("asks", [True, False], ids=["asks", "does not ask"])
def test_a_returning_attendee_stays_withdrawn_until_the_new_form_is_confirmed(app, asks):
    builders.publish(builders.file(f"address_confirmation = {str(asks).lower()}"))
    builders.register_and_confirm(answers={"q": "old"})
    before = builders.attendee()
    withdraw()
    builders.register(name="Aigerim K.")
    assert builders.registration_of().status.value == "withdrawn"
    assert builders.attendee() == before
    after = builders.confirm()
    assert builders.registration_of().status.value == "confirmed"
    assert (after.name, after.answers) == ("Aigerim K.", {})
    assert after.calendar_token == before.calendar_token


def test_a_registration_of_the_same_address_meanwhile_undoes_no_change(app, clock):
    builders.publish(builders.file("address_confirmation = false"))
    builders.register()
    token = builders.attendee().token

    def change(name: str) -> None:
        with writing() as tx:
            entry = builders.entry(name=name)
            self_service.change(tx, token, entry)

    for number in range(15):
        acts = [partial(change, f"Name {number}"), *[builders.register] * 5]
        builders.at_once(app, acts)
        assert builders.attendee().name == f"Name {number}"


def spellings(local: str, count: int) -> list[str]:
    """Return so many Gmail addresses of one mailbox: `local` with periods between letters."""
    found = []
    for number in range(count):
        marks = (number >> place & 1 for place in range(len(local) - 1))
        dotted = "".join(
            letter + "." * mark for letter, mark in zip(local, [*marks, 0], strict=True)
        )
        found.append(f"{dotted}@{'googlemail.com' if number % 2 else 'gmail.com'}")
    return found


def test_a_gmail_mailbox_gets_three_letters_a_day_by_any_spelling(app, clock):
    builders.publish()
    several = spellings("aigerim", 47)
    assert len(set(several)) == 47
    for address in several:
        builders.register(address=address)
    assert builders.count_registrations() == 47, "two spellings are two registrations"
    assert builders.letter_kinds() == ["address_confirmation"] * 3
    with writing() as tx:
        for address in several:
            self_service.send_links(tx, addresses.parse(address))
    assert builders.letter_kinds() == ["address_confirmation"] * 3
    clock.advance(days=1)
    with writing() as tx:
        for address in several[::-1]:
            self_service.send_links(tx, addresses.parse(address))
    builders.deliver()
    assert len(builders.kept_letters(app)) == 6
