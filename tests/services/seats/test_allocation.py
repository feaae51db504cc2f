"""Seats: never one too many, held for a day by the unconfirmed, and a list that keeps its order."""

from itertools import pairwise

import pytest

from registration.database import reading, writing
from registration.models import Discussion, Registration
from registration.services import installation
from registration.services.registrations import self_service
from registration.services.seats import allocation

from ... import builders
from ...machine import on_sqlite

TWO_SEATS = "seats = 2"
DIRECT = "seats = 2\naddress_confirmation = false"


def publish(changes: str) -> Discussion:
    return builders.publish(builders.file(changes))


def register(*names: str) -> None:
    for name in names:
        builders.register(address=f"{name}@example.org")


def confirm(*names: str) -> None:
    for name in names:
        builders.confirm(f"{name}@example.org")


def withdraw(name: str) -> None:
    token = builders.attendee(f"{name}@example.org").token
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        self_service.withdraw(tx, registration)


def status(name: str) -> str:
    return builders.registration_of(f"{name}@example.org").status.value


def is_full() -> bool:
    with reading() as tx:
        return allocation.is_full(tx, tx.query(Discussion).one())


def version() -> int:
    with reading() as tx:
        return installation.content_version(tx)


def place(name: str) -> int:
    with reading() as tx:
        registration = builders.registration_of(f"{name}@example.org")
        return allocation.waiting_before(tx, registration) + 1


def test_an_unconfirmed_registration_holds_its_seat(app):
    publish(TWO_SEATS)
    register("a", "b")
    assert is_full()
    register("c")
    confirm("c")
    assert status("c") == "waiting"
    confirm("a", "b")
    assert [status("a"), status("b")] == ["confirmed", "confirmed"]


def test_a_held_seat_is_free_again_after_a_day(app, clock):
    publish(TWO_SEATS)
    register("a", "b")
    clock.advance(hours=23, minutes=59)
    assert is_full()
    clock.advance(minutes=1)
    assert not is_full()
    register("c")
    confirm("c", "a")
    assert [status("c"), status("a")] == ["confirmed", "confirmed"]
    confirm("b")
    assert status("b") == "waiting", "its hold had ended and the seat was taken meanwhile"
    assert place("b") == 1


@on_sqlite
def test_the_form_sent_again_does_not_hold_a_seat_for_longer(app, clock):
    publish(TWO_SEATS)
    register("a")
    held_until = builders.registration_of("a@example.org").seat_held_until
    clock.advance(hours=20)
    register("a")
    assert builders.registration_of("a@example.org").seat_held_until == held_until


def test_a_new_registration_waits_behind_the_others(app):
    publish(TWO_SEATS)
    register("a", "b", "c")
    confirm("a", "b", "c")
    register("d")
    confirm("d")
    withdraw("a")
    assert is_full(), "the free seat is for the one who waits"
    register("e")
    confirm("e")
    assert [status("c"), status("d"), status("e")] == ["confirmed", "waiting", "waiting"]
    assert [place("d"), place("e")] == [1, 2]


@on_sqlite
def test_the_waiting_list_keeps_the_order_of_registering(app):
    publish(TWO_SEATS)
    register("a", "b", "c", "d", "e")
    confirm("a", "b")
    confirm("e", "d")
    assert [place("d"), place("e")] == [1, 2], "an unconfirmed one before them does not count"
    confirm("c")
    assert [place("c"), place("d"), place("e")] == [1, 2, 3]
    withdraw("c")
    assert [place("d"), place("e")] == [1, 2]


@on_sqlite
def test_the_first_waiting_is_seated_on_confirming_if_a_seat_is_free(app):
    publish(TWO_SEATS)
    register("a", "b", "c", "d")
    confirm("a", "b")
    withdraw("a")
    confirm("d")
    assert status("d") == "confirmed", "nobody who has confirmed waits before"
    confirm("c")
    assert status("c") == "waiting"


@on_sqlite
def test_a_lifted_limit_seats_the_unconfirmed_on_the_waiting_list(app):
    publish(TWO_SEATS)
    register("a", "b", "c")
    builders.publish()
    confirm("c")
    assert status("c") == "confirmed"


@on_sqlite
def test_a_smaller_room_takes_no_seat_away(app):
    publish(TWO_SEATS)
    register("a", "b")
    confirm("a", "b")
    publish("seats = 1")
    assert [status("a"), status("b")] == ["confirmed", "confirmed"]
    withdraw("a")
    assert is_full()


@on_sqlite
def test_without_address_confirmation_seats_are_taken_at_once(app):
    publish(DIRECT)
    register("a", "b", "c")
    assert [status(name) for name in "abc"] == ["confirmed", "confirmed", "waiting"]
    assert builders.letter_kinds() == ["confirmation", "confirmation", "waiting"]


@on_sqlite
def test_withdrawing_frees_a_seat_and_coming_back_takes_one(app):
    publish(DIRECT)
    register("a", "b")
    withdraw("a")
    assert not is_full()
    register("a")
    assert [status("a"), is_full()] == ["withdrawn", True], "a seat is held for them"
    confirm("a")
    assert [status("a"), is_full()] == ["confirmed", True]


@on_sqlite
@pytest.mark.parametrize("changes", ["", TWO_SEATS])
def test_the_content_version_rises_only_when_the_last_seat_goes_or_comes(app, changes):
    publish(changes)
    seen = [version()]
    for act in (
        lambda: register("a"),
        lambda: register("b"),
        lambda: confirm("a"),
        lambda: confirm("b"),
        lambda: withdraw("a"),
    ):
        act()
        seen.append(version())
    steps = [after - before for before, after in pairwise(seen)]
    assert steps == ([0, 1, 0, 0, 1] if changes else [0, 0, 0, 0, 0])


def test_full_until_names_when_the_next_held_seat_is_free(app, clock):
    discussion = publish(TWO_SEATS)
    register("a")
    first = builders.registration_of("a@example.org").seat_held_until
    clock.advance(hours=1)
    register("b")
    with reading() as tx:
        assert allocation.next_hold_end(tx, discussion) == first
    confirm("a", "b")
    with reading() as tx:
        assert allocation.next_hold_end(tx, discussion) is None
        assert tx.query(Registration).count() == 2
