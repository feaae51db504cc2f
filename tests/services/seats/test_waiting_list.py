"""The waiting list moves up: the first one, once, with a letter, whenever a seat is free."""

from datetime import timedelta

import pytest

from registration.database import reading, writing
from registration.discussion_file import read
from registration.models import DiscussionStatus, Letter, RegistrationStatus
from registration.services import catalog
from registration.services.discussions import cancellation, publication
from registration.services.discussions.reschedule import MustBeTold
from registration.services.registrations import self_service
from registration.services.seats import allocation
from registration.worker import housekeeping

from ... import builders
from ...builders import at_once, file
from ...machine import on_sqlite

CONFIRMED, WAITING = RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING


def address(name: str) -> str:
    return f"{name}@example.org"


def withdraw(name: str) -> None:
    with writing() as tx:
        mine, _discussion = self_service.by_token(tx, builders.attendee(address(name)).token)
        self_service.withdraw(tx, mine)


def erase(name: str) -> None:
    with writing() as tx:
        mine, _discussion = self_service.by_token(tx, builders.attendee(address(name)).token)
        self_service.erase(tx, mine)


def publish(changes: str) -> None:
    builders.publish(file(changes))


def statuses(*names: str) -> list[RegistrationStatus]:
    return [builders.registration_of(address(name)).status for name in names]


@pytest.fixture
def three(app):
    """One has the only seat, two wait."""
    publish("seats = 1")
    for name in ("a", "b", "c"):
        builders.register_and_confirm(address(name))
    builders.deliver()
    assert statuses("a", "b", "c") == [CONFIRMED, WAITING, WAITING]


@pytest.mark.parametrize("act", [withdraw, erase])
def test_a_freed_seat_goes_to_the_first_on_the_waiting_list(app, three, act):
    act("a")
    assert statuses("b", "c") == [CONFIRMED, WAITING]
    builders.deliver()
    letter = builders.kept_letters(app)[-1]
    assert (letter["To"], letter["Subject"]) == (
        address("b"),
        "You have a seat: Who owns the water?",
    )
    assert "METHOD:REQUEST" in letter.as_string() or "text/calendar" in letter.as_string()
    assert "a seat has become free" in " ".join(letter.get_body(("plain",)).get_content().split())
    assert builders.letter_kinds().count("seat") == 1


def test_more_seats_are_given_in_order(app, three):
    builders.register_and_confirm(address("d"))
    publish("seats = 3")
    assert statuses("a", "b", "c", "d") == [CONFIRMED, CONFIRMED, CONFIRMED, WAITING]
    publish("")
    assert statuses("d") == [CONFIRMED]
    assert builders.letter_kinds().count("seat") == 3


@on_sqlite
def test_fewer_seats_than_are_taken_throw_nobody_out(app, three):
    publish("seats = 3")
    publish("seats = 1")
    assert statuses("a", "b", "c") == [CONFIRMED] * 3
    withdraw("a")
    builders.register_and_confirm(address("d"))
    assert statuses("b", "c", "d") == [CONFIRMED, CONFIRMED, WAITING]
    withdraw("b")
    withdraw("c")
    assert statuses("d") == [CONFIRMED]


def test_an_expired_hold_seats_the_first_on_the_waiting_list(app, clock):
    publish("seats = 1")
    builders.register(address=address("a"))
    builders.register_and_confirm(address("b"))
    housekeeping.run_every_minute()
    assert statuses("b") == [WAITING]
    clock.advance(hours=24)
    housekeeping.run_every_minute()
    assert statuses("b") == [CONFIRMED]
    builders.confirm(address("a"))
    assert statuses("a") == [WAITING]
    assert builders.letter_kinds().count("seat") == 1


@on_sqlite
def test_unconfirmed_attendees_are_passed_over_and_keep_their_position(app, three):
    builders.register(address=address("d"))
    builders.register_and_confirm(address("e"))
    for name in ("a", "b", "c"):
        withdraw(name)
    assert statuses("e") == [CONFIRMED]
    builders.confirm(address("d"))
    assert statuses("d") == [WAITING]
    withdraw("e")
    assert statuses("d") == [CONFIRMED]


@on_sqlite
def test_a_waiting_letter_is_not_sent_once_its_attendee_has_a_seat(app):
    publish("seats = 1")
    for name in ("a", "b"):
        builders.register_and_confirm(address(name))
    withdraw("a")
    builders.deliver()
    subjects = [it["Subject"] for it in builders.kept_letters(app) if it["To"] == address("b")]
    assert subjects == ["You have a seat: Who owns the water?"]


@on_sqlite
def test_nobody_gets_a_seat_in_a_cancelled_or_past_discussion(app, clock, three):
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")
    withdraw("a")
    assert statuses("b") == [WAITING]
    with writing() as tx:
        cancellation.restore(tx, "water")
    housekeeping.run_every_minute()
    assert statuses("b", "c") == [CONFIRMED, WAITING]
    clock.advance(days=32)
    withdraw("b")
    housekeeping.run_every_minute()
    assert statuses("c") == [WAITING]
    with reading() as tx:
        found = catalog.find(tx, "water")
    assert found.status is DiscussionStatus.PUBLISHED


def test_a_seat_is_given_once_however_many_leave_and_come_at_once(app):
    publish("seats = 3")
    for number in range(12):
        builders.register_and_confirm(address(f"n{number}"))
    assert statuses(*(f"n{n}" for n in range(12))).count(WAITING) == 9
    acts = [lambda number=number: withdraw(f"n{number}") for number in range(6)]
    acts += [
        lambda number=number: builders.register(address=address(f"m{number}"))
        for number in range(4)
    ]
    assert at_once(app, acts) == [None] * len(acts)
    left = [f"n{number}" for number in range(6, 12)]
    assert statuses(*left) == [CONFIRMED] * 3 + [WAITING] * 3
    with reading() as tx:
        kinds = [letter.registration_id for letter in tx.query(Letter) if letter.kind == "seat"]
    assert len(kinds) == len(set(kinds))


@on_sqlite
def test_nobody_is_told_of_a_seat_in_a_discussion_cancelled_meanwhile(app, clock, three):
    withdraw("a")
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")
    clock.advance(minutes=5)
    builders.deliver()
    subjects = [it["Subject"] for it in builders.kept_letters(app) if it["To"] == address("b")]
    assert subjects[-1] == "Cancelled: Who owns the water?"
    assert "You have a seat" not in " ".join(subjects)


def test_a_request_from_before_its_end_revives_no_hold(app, clock):
    publish("seats = 1")
    builders.register(address=address("a"))
    a_moment_before = clock.now + timedelta(hours=24, seconds=-1)
    clock.advance(hours=24)
    builders.register_and_confirm(address("b"))
    assert statuses("b") == [CONFIRMED]
    clock.now = a_moment_before  # a request that waited for the lock has the time of its start
    builders.confirm(address("a"))
    assert statuses("a", "b") == [WAITING, CONFIRMED]


@on_sqlite
def test_the_waiting_list_of_a_past_discussion_is_not_promoted(app, clock, three):
    clock.advance(days=32)
    withdraw("a")
    with reading() as tx:
        assert allocation.find_promotable(tx) == []


@pytest.mark.parametrize("minutes", [3, 10])
def test_a_seat_given_before_a_cancellation_is_told_after_its_end(app, clock, three, minutes):
    publish('seats = 1\njoin_url = "https://meet.example.org/a"')
    withdraw("a")
    builders.cancel()
    builders.deliver()
    clock.advance(minutes=minutes)
    builders.deliver()
    with writing() as tx:
        cancellation.restore(tx, "water")
    for _ in range(2):
        clock.advance(minutes=5)
        builders.deliver()
    letters = [it for it in builders.kept_letters(app) if it["To"] == address("b")]
    assert letters[-1]["Subject"] == "You have a seat: Who owns the water?"
    text = letters[-1].get_body(("plain",)).get_content()
    assert "meet.example.org" in text
    assert ("takes place after all" in text) == (minutes > 5)
    assert statuses("b") == [CONFIRMED]


@on_sqlite
def test_nobody_is_told_of_the_same_seat_twice(app, clock, three):
    withdraw("a")
    builders.deliver()
    builders.cancel()
    with writing() as tx:
        cancellation.restore(tx, "water")
    assert builders.letter_kinds().count("seat") == 1


@on_sqlite
def test_nobody_is_told_of_a_seat_in_a_past_discussion(app, clock, three):
    withdraw("a")
    clock.advance(days=32)
    before = len(builders.kept_letters(app))
    builders.deliver()
    subjects = [str(it["Subject"]) for it in builders.kept_letters(app)[before:]]
    assert subjects == ["You have withdrawn: Who owns the water?"]


def test_more_seats_are_not_given_quietly_and_count_as_letters(app, three):
    def change(*, quiet: bool) -> int:
        with writing() as tx:
            return publication.publish(tx, read(file("seats = 3")), quiet=quiet).letters

    with pytest.raises(MustBeTold, match="2 people who wait would get seats"):
        change(quiet=True)
    assert statuses("a", "b", "c") == [CONFIRMED, WAITING, WAITING]
    assert change(quiet=False) == 2
