"""Follow-ups: sent once, after the discussion, to attendees who asked for them."""

import pytest

from registration.database import writing
from registration.discussion_file import read
from registration.services.discussions import publication
from registration.worker import housekeeping

from ... import builders
from ...builders import file
from ...machine import on_sqlite

RECORDING = 'recording_url = "https://tube.example.org/v"'
AFTERWORD = 'afterword = "They agreed to meet again."'
SUBJECT = "What came of it: Who owns the water?"


def publish(changes: str, *, quiet: bool = False) -> int:
    with writing() as tx:
        return publication.publish(tx, read(file(changes)), quiet=quiet).letters


def subjects(app) -> list[str]:
    """Owe and deliver due follow-ups, and return the subjects of the letters sent."""
    before = len(builders.kept_letters(app))
    housekeeping.run_every_minute()
    builders.deliver()
    return [str(letter["Subject"]) for letter in builders.kept_letters(app)[before:]]


@pytest.fixture
def over(app, clock):
    """A past discussion; one attendee asked for a follow-up, another did not."""
    publish("")
    builders.register_and_confirm(wants_follow_up=True)
    builders.register_and_confirm("other@example.org")
    builders.deliver()
    clock.advance(days=32)


@pytest.mark.parametrize("news", [RECORDING, AFTERWORD])
def test_a_follow_up_is_sent_once_to_attendees_who_asked(app, clock, over, news):
    assert publish(news) == 1
    assert subjects(app) == []
    clock.advance(minutes=5)
    assert subjects(app) == [SUBJECT]
    letter = builders.kept_letters(app)[-1]
    assert letter["To"] == "aigerim@example.org"
    text = letter.get_body(("plain",)).get_content()
    assert ("tube.example.org" in text) == (news is RECORDING)
    assert ("agreed to meet again" in text) == (news is AFTERWORD)
    assert publish(f"{RECORDING}\n{AFTERWORD}\nsummary = 'x'") == 0
    clock.advance(days=1)
    assert subjects(app) == []


@on_sqlite
def test_the_entry_under_the_same_uid_gains_the_recording(app, clock, over):
    publish(RECORDING)
    clock.advance(minutes=5)
    subjects(app)
    uids = set()
    for letter in builders.kept_letters(app):
        if letter["To"] == "aigerim@example.org":
            for part in letter.walk():
                if part.get_content_type() == "text/calendar":
                    entry = part.get_payload(decode=True).decode().replace("\r\n ", "")
                    uids.add(entry.partition("UID:")[2].splitlines()[0])
    assert "https://tube.example.org/v" in entry
    assert len(uids) == 1


@on_sqlite
def test_it_is_not_told_before_the_discussion_is_over(app, clock):
    publish("reminders = []")
    builders.register_and_confirm(wants_follow_up=True)
    builders.deliver()
    assert publish("reminders = []\n" + RECORDING) == 1
    clock.advance(days=30)
    assert subjects(app) == []
    clock.advance(days=2)
    assert subjects(app) == [SUBJECT]


@on_sqlite
def test_it_is_not_told_quietly_nor_when_it_is_taken_back(app, clock, over):
    assert publish(RECORDING, quiet=True) == 0
    publish("")
    assert publish(RECORDING) == 1
    publish("")
    clock.advance(hours=1)
    assert subjects(app) == []


@on_sqlite
def test_withdrawn_attendees_are_not_told_and_waiting_ones_are(app, clock, visitor):
    publish("seats = 1")
    builders.register_and_confirm("gone@example.org", wants_follow_up=True)
    builders.register_and_confirm("waits@example.org", wants_follow_up=True)
    builders.register(address="unconfirmed@example.org", wants_follow_up=True)
    builders.deliver()
    clock.advance(days=32)
    visitor.press(f"/registrations/{builders.attendee('gone@example.org').token}", "withdraw")
    builders.deliver()
    assert publish("seats = 1\n" + RECORDING) == 1
    clock.advance(minutes=5)
    assert subjects(app) == [SUBJECT]
    letter = builders.kept_letters(app)[-1]
    assert letter["To"] == "waits@example.org"
    assert "text/calendar" not in [part.get_content_type() for part in letter.walk()]


def test_the_form_asks_and_the_own_page_takes_it_back(app, visitor):
    builders.publish()
    visitor.fill(
        "/discussions/water/register",
        name="A",
        email="a@example.org",
        follow_up="y",
        zone="Europe/Riga",
    )
    assert builders.registration_of("a@example.org").wants_follow_up
    assert builders.attendee("a@example.org").zone == "Europe/Riga"
    own = builders.confirm("a@example.org")
    page = f"/registrations/{own.token}"
    assert visitor.get(f"{page}.json").get_json()["zone"] == "Europe/Riga"
    visitor.fill(page, "/change", follow_up=None, zone=None)
    assert not builders.registration_of("a@example.org").wants_follow_up
    assert builders.attendee("a@example.org").zone is None


@on_sqlite
@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../etc/passwd", "x" * 5000, "\0", "UTC+3"]
)
def test_a_zone_that_is_not_known_is_not_kept_and_refuses_nobody(app, visitor, zone):
    builders.publish()
    answer = visitor.fill("/discussions/water/register", name="A", email="a@example.org", zone=zone)
    assert answer.status_code == 303
    assert builders.attendee("a@example.org").zone is None


def test_letters_state_the_time_in_the_attendees_zone_too(app):
    builders.publish()
    builders.register_and_confirm(zone="Europe/Riga")
    builders.deliver()
    said = " ".join(builders.kept_letters(app)[-1].get_body(("plain",)).get_content().split())
    assert (
        "Thursday, 2 April 2026, 17:00\N{EN DASH}18:30 UTC+5 (Asia/Almaty); "
        "15:00\N{EN DASH}16:30 UTC+3 (Europe/Riga); 12:00\N{EN DASH}13:30 UTC" in said
    )


@on_sqlite
def test_an_attendee_who_takes_the_wish_back_is_not_told(app, clock, visitor, over):
    assert publish(RECORDING) == 1
    own = f"/registrations/{builders.attendee().token}"
    visitor.fill(own, "/change", follow_up=None)
    clock.advance(minutes=5)
    assert subjects(app) == []


def test_an_early_recording_is_told_after_the_discussion(app, clock):
    publish("")
    builders.register_and_confirm(wants_follow_up=True)
    builders.deliver()
    publish(RECORDING)
    clock.advance(days=30)
    publish(f"{RECORDING}\nstarts = 2026-04-09T17:00:00\nends = 2026-04-09T18:30:00")
    clock.advance(days=3)  # after the end it had at first
    assert subjects(app) == ["Changed: Who owns the water?"]
    clock.advance(days=7)
    assert subjects(app) == [SUBJECT]


@on_sqlite
def test_an_attendee_who_asks_after_the_recording_is_told_too(app, clock, visitor):
    publish('registration = "open"\n' + RECORDING)  # in its first publication
    builders.register_and_confirm("never@example.org")
    builders.register_and_confirm("later@example.org")
    builders.register_and_confirm("early@example.org", wants_follow_up=True)
    builders.deliver()
    clock.advance(days=32)
    assert subjects(app) == [SUBJECT]
    visitor.fill(
        f"/registrations/{builders.attendee('later@example.org').token}", "/change", follow_up="y"
    )
    builders.register_and_confirm("late@example.org", wants_follow_up=True)
    clock.advance(minutes=1)
    assert sorted(subjects(app))[:2] == [SUBJECT] * 2
    clock.advance(days=1)
    assert subjects(app) == []


@on_sqlite
def test_a_letter_that_was_dropped_is_owed_again_when_it_is_true_again(app, clock, over):
    publish(RECORDING)
    clock.advance(minutes=5)
    housekeeping.run_every_minute()
    with writing() as tx:
        publication.unpublish(tx, "water")
    assert subjects(app) == []
    clock.advance(minutes=5)
    assert subjects(app) == []
    publish(RECORDING)
    clock.advance(minutes=5)
    assert subjects(app) == [SUBJECT]


@on_sqlite
def test_a_clock_that_goes_back_a_little_does_not_hurry_a_letter(app, clock, over):
    publish(RECORDING)
    clock.advance(seconds=-2)
    assert subjects(app) == []


@on_sqlite
def test_a_clock_that_was_ahead_for_days_holds_no_letter_up(app, clock, over):
    publish(RECORDING)
    clock.advance(days=-30)
    publish(f"{RECORDING}\nstarts = 2026-03-03T17:00:00\nends = 2026-03-03T18:30:00", quiet=True)
    clock.advance(days=1)
    assert subjects(app) == [SUBJECT]


@on_sqlite
def test_no_letter_is_promised_for_a_cancelled_discussion(app, clock):
    publish("")
    builders.register_and_confirm(wants_follow_up=True)
    builders.deliver()
    builders.cancel()
    clock.advance(days=32)
    assert publish(RECORDING) == 0
