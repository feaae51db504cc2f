"""A clock that jumps: erasure waits a day and goes on; dates too late are corrected."""

from datetime import timedelta

import pytest

from registration.database import reading
from registration.models import Installation
from registration.worker import housekeeping
from registration.worker.housekeeping import ErasureWaits

from ... import builders
from ...machine import on_sqlite


def jumped_at() -> object:
    with reading() as tx:
        return tx.get_one(Installation, 1).clock_jumped_at


@pytest.fixture
def one(app, clock) -> None:
    """A round was made just now, and somebody is registered who is erased in 72 hours."""
    builders.publish()
    builders.register()
    housekeeping.run_hourly()


def test_erasure_waits_a_day_after_a_jump_of_two_days(one, clock, caplog):
    clock.advance(days=400)
    housekeeping.run_hourly()
    assert builders.count_registrations() == 1
    assert "More than 2 days lie between two rounds: if the clock is wrong, set it" in caplog.text
    until = clock.now + timedelta(hours=24)
    assert f"Erasure waits until {until:%Y-%m-%d %H:%M} UTC" in caplog.text
    for _ in range(23):
        clock.advance(hours=1)
        housekeeping.run_hourly()
    assert builders.count_registrations() == 1
    clock.advance(hours=1)
    housekeeping.run_hourly()
    assert builders.count_registrations() == 0
    assert jumped_at() is None


@on_sqlite
def test_a_service_that_slept_for_less_than_two_days_erases_at_once(one, clock):
    clock.advance(hours=47)
    housekeeping.run_hourly()
    clock.advance(hours=47)
    housekeeping.run_hourly()
    assert builders.count_registrations() == 0


@on_sqlite
def test_correcting_the_clock_ends_the_wait_without_erasing_anybody(one, clock):
    right = clock.now + timedelta(hours=1)
    clock.advance(days=400)
    housekeeping.run_hourly()
    assert jumped_at() == clock.now
    clock.now = right
    housekeeping.run_hourly()
    assert (builders.count_registrations(), jumped_at()) == (1, None)
    for _ in range(71):
        clock.advance(hours=1)
        housekeeping.run_hourly()
    assert builders.count_registrations() == 0


@on_sqlite
def test_rounds_that_are_made_once_a_week_erase_every_other_time(one, clock):
    clock.advance(days=7)
    housekeeping.run_hourly()
    assert builders.count_registrations() == 1
    clock.advance(days=7)
    housekeeping.run_hourly()
    assert builders.count_registrations() == 0


@on_sqlite
def test_a_purge_waits_like_a_round(one, clock):
    clock.advance(days=7)
    with pytest.raises(ErasureWaits):
        housekeeping.erase_due()
    clock.advance(hours=23, minutes=59)
    with pytest.raises(ErasureWaits):
        housekeeping.erase_due()
    clock.advance(minutes=1)
    assert len(housekeeping.erase_due().public_ids) == 1


def test_registrations_dated_in_the_future_are_brought_back(app, clock):
    discussion = builders.publish(builders.file("seats = 3"))
    right = clock.now
    housekeeping.run_hourly()
    clock.advance(days=3650)
    housekeeping.run_hourly()
    builders.publish(builders.file('seats = 3\nregistration = "open"'))
    builders.register()
    builders.register_and_confirm("bolat@example.org")
    clock.now = right
    housekeeping.run_hourly()
    waiting, confirmed = builders.registration_of(), builders.registration_of("bolat@example.org")
    assert waiting.registered_at == confirmed.registered_at == clock.now
    assert waiting.erase_at == clock.now + timedelta(hours=72)
    assert waiting.seat_held_until == clock.now + timedelta(hours=24)
    assert confirmed.erase_at == discussion.ends_at + timedelta(days=30)


@on_sqlite
def test_a_clock_that_is_behind_for_a_while_has_nobody_erased_early(app, clock):
    builders.publish(builders.file('registration = "open"'))
    clock.advance(days=200)  # it has taken place
    housekeeping.run_hourly()
    builders.register_and_confirm()
    held = builders.registration_of()
    right = clock.now
    clock.now -= timedelta(days=2500)
    for _ in range(30):
        housekeeping.run_hourly()
        clock.advance(hours=1)
    for hours in range(60):
        clock.now = right + timedelta(hours=hours)
        housekeeping.run_hourly()
    found = builders.registration_of()
    assert (found.registered_at, found.erase_at) == (held.registered_at, held.erase_at)
