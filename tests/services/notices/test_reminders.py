"""Reminders: before the start, once, planned anew when the time moves, never of what has passed."""

from datetime import datetime, timedelta

import pytest

from registration import outbox
from registration.database import reading, writing
from registration.models import LetterKind, LetterState
from registration.services.discussions import cancellation, publication
from registration.services.notices import reminders
from registration.worker import housekeeping, loop

from ... import builders
from ...builders import at_once, file
from ...machine import on_sqlite

# The small discussion begins on 2 April 2026 at 12:00 UTC.
START = datetime.fromisoformat("2026-04-02T12:00:00+00:00")


@pytest.fixture
def water(app):
    """A discussion with one attendee."""
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()


def reminder_states() -> list[LetterState]:
    """Owe and deliver due reminders, and return the states of all."""
    housekeeping.run_every_minute()
    loop.deliver_due()
    with reading() as tx:
        found = outbox.every(tx)
        return [letter.state for letter in found if letter.kind is LetterKind.REMINDER]


def at(clock, **before_start: float) -> list[LetterState]:
    """Set the clock to a time before the start, and return the states of the reminders then."""
    clock.now = START - timedelta(**before_start)
    return reminder_states()


def test_attendees_are_reminded_a_day_and_an_hour_before(app, clock, water):
    assert at(clock, days=1, minutes=1) == []
    assert at(clock, days=1) == [LetterState.SENT]
    assert at(clock, hours=23) == [LetterState.SENT]
    assert at(clock, hours=1) == [LetterState.SENT] * 2
    for minutes in (59, 1, 0, -30, -3000):
        assert at(clock, minutes=minutes) == [LetterState.SENT] * 2


@on_sqlite
def test_a_reminder_says_when_and_where(app, clock, water):
    builders.publish(file('join_url = "https://meet.example.org/a"'))
    clock.advance(minutes=5)
    builders.deliver()
    at(clock, hours=1)
    letter = builders.kept_letters(app)[-1]
    assert letter["Subject"] == "Reminder: Who owns the water?"
    text = letter.get_body(("plain",)).get_content()
    for words in ("2 April 2026, 17:00", "UTC+5 (Asia/Almaty)", "https://meet.example.org/a"):
        assert words in text


@on_sqlite
def test_after_a_standstill_only_the_last_reminder_is_sent(app, clock, water):
    assert at(clock, minutes=30) == [LetterState.SENT]
    text = builders.kept_letters(app)[-1]["Subject"]
    assert text.startswith("Reminder: ")


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "count"),
    [("reminders = []", 0), ('reminders = ["3d", "30m"]', 2), ('reminders = ["24h", "1d"]', 1)],
)
def test_the_file_says_when(app, clock, changes, count):
    builders.publish(file(changes))
    builders.register_and_confirm()
    for minutes in range(6000, 0, -29):
        found = at(clock, minutes=minutes)
    assert len(found) == count


@on_sqlite
def test_only_attendees_who_had_a_seat_before_are_reminded(app, clock):
    builders.publish(file("seats = 1"))
    builders.register_and_confirm()
    builders.register_and_confirm("waiting@example.org")
    builders.register(address="unconfirmed@example.org")
    assert at(clock, days=1) == [LetterState.SENT]
    builders.publish(file("seats = 2"))  # the letter that tells of the seat reminds too
    builders.register_and_confirm("late@example.org")
    assert at(clock, hours=20) == [LetterState.SENT]
    assert at(clock, hours=1) == [LetterState.SENT] * 3


@on_sqlite
def test_a_reminder_is_planned_anew_when_the_time_moves(app, clock, water):
    assert at(clock, days=1) == [LetterState.SENT]
    clock.now = START - timedelta(hours=20)
    builders.publish(file("starts = 2026-04-09T17:00:00\nends = 2026-04-09T18:30:00"))
    assert at(clock, hours=1) == [LetterState.SENT]
    assert at(clock, days=-6) == [LetterState.SENT] * 2
    assert at(clock, days=-7, hours=1) == [LetterState.SENT] * 3


@on_sqlite
def test_a_reminder_due_before_the_time_was_set_is_not_sent(app, clock, water):
    clock.now = START - timedelta(hours=12)
    builders.publish(file("ends = 2026-04-02T19:00:00\nstarts = 2026-04-02T17:10:00"))
    assert at(clock, hours=11) == []
    assert at(clock, minutes=50) == [LetterState.SENT]


@on_sqlite
def test_a_reminder_that_is_owed_when_the_time_moves_is_dropped(app, clock, water):
    clock.now = START - timedelta(days=1)
    housekeeping.run_every_minute()
    builders.publish(file("starts = 2026-04-09T17:00:00\nends = 2026-04-09T18:30:00"))
    assert reminder_states() == [LetterState.DROPPED]


@on_sqlite
def test_nobody_is_reminded_of_a_cancelled_discussion(app, clock, water):
    clock.now = START - timedelta(hours=30)
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")
    assert at(clock, days=1) == []
    with writing() as tx:
        cancellation.restore(tx, "water")
    # The letter that it takes place after all was the reminder.
    assert at(clock, hours=23) == []
    assert at(clock, hours=1) == [LetterState.SENT]


@on_sqlite
def test_a_reminder_does_not_stand_for_the_letter_of_a_change(app, clock, water):
    clock.now = START - timedelta(hours=3)
    builders.publish(file('join_url = "https://meet.example.org/new"'))
    clock.now = START - timedelta(hours=1)
    housekeeping.run_every_minute()
    loop.deliver_due()
    subjects = [str(it["Subject"]).partition(":")[0] for it in builders.kept_letters(app)[-2:]]
    assert sorted(subjects) == ["Changed", "Reminder"]


@on_sqlite
def test_a_reminder_that_was_held_up_until_the_start_is_not_sent(app, clock, water):
    clock.now = START - timedelta(minutes=1)
    housekeeping.run_every_minute()
    clock.now = START
    assert reminder_states() == [LetterState.DROPPED]


@on_sqlite
def test_a_day_without_a_time_has_a_reminder_of_days_only(app, clock):
    source = file("date = 2026-04-02\n", without="starts").replace(
        b"ends = 2026-04-02T18:30:00\n", b""
    )
    builders.publish(source.replace(b"zone = ", b"# "))
    builders.register_and_confirm()
    # It begins first at UTC+14.
    assert at(clock, days=1, hours=27) == []
    assert at(clock, days=1, hours=26) == [LetterState.SENT]
    for hours in range(26, 0, -1):
        assert at(clock, hours=hours) == [LetterState.SENT]


def test_two_workers_remind_once(app, clock, water):
    clock.now = START - timedelta(days=1)
    with reading() as tx:
        (number,) = reminders.due_discussions(tx)

    def owe() -> None:
        with writing() as tx:
            reminders.owe_reminders(tx, number)

    at_once(app, [owe] * 4)
    assert reminder_states() == [LetterState.SENT]


@on_sqlite
def test_a_reminder_added_after_its_moment_is_not_sent(app, clock, water):
    builders.publish(file('reminders = ["1h"]'))
    assert at(clock, hours=20) == []
    builders.publish(file('reminders = ["1d", "1h"]'))
    clock.advance(minutes=2)
    assert reminder_states() == []
    assert at(clock, hours=1) == [LetterState.SENT]


@on_sqlite
def test_a_reminder_due_while_unpublished_is_not_sent(app, clock, water):
    with writing() as tx:
        publication.unpublish(tx, "water")
    assert at(clock, hours=20) == []
    builders.publish()
    clock.advance(minutes=2)
    assert reminder_states() == []
    assert at(clock, hours=1) == [LetterState.SENT]


@on_sqlite
def test_after_a_standstill_of_the_mail_only_the_last_reminder_is_sent(app, clock, water):
    clock.now = START - timedelta(days=1)
    housekeeping.run_every_minute()
    assert at(clock, hours=1) == [LetterState.DROPPED, LetterState.SENT]


@on_sqlite
def test_nobody_is_reminded_of_a_discussion_unpublished_meanwhile(app, clock, water):
    clock.now = START - timedelta(days=1)
    with reading() as tx:
        (number,) = reminders.due_discussions(tx)
    with writing() as tx:
        publication.unpublish(tx, "water")
    with writing() as tx:
        assert reminders.owe_reminders(tx, number) == 0


@on_sqlite
def test_a_cancellation_taken_back_untold_swallows_no_reminder(app, clock, water):
    clock.now = START - timedelta(days=1, minutes=2)
    builders.cancel()
    clock.now = START - timedelta(days=1) + timedelta(minutes=1)
    with writing() as tx:
        cancellation.restore(tx, "water")
    assert reminder_states() == [LetterState.SENT]


@on_sqlite
def test_a_move_taken_back_untold_swallows_no_reminder(app, clock, water):
    clock.now = START - timedelta(days=1, minutes=2)
    builders.publish(file("starts = 2026-04-09T17:00:00\nends = 2026-04-09T18:30:00"))
    clock.now = START - timedelta(days=1) + timedelta(minutes=1)
    builders.publish()
    assert reminder_states() == [LetterState.SENT]


@on_sqlite
@pytest.mark.parametrize("ahead", ["published", "confirmed"])
def test_a_clock_that_was_ahead_keeps_no_reminder_back(app, clock, ahead):
    right = clock.now
    for act in (builders.publish, builders.register_and_confirm):
        is_published = act is builders.publish
        clock.now = right + timedelta(days=20 * (is_published == (ahead == "published")))
        act()
    assert at(clock, days=1) == [LetterState.SENT]
    assert at(clock, hours=1) == [LetterState.SENT] * 2
