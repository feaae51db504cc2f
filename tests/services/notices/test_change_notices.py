"""Letters about changes: once to each, several together; cancellations and restorations."""

from datetime import timedelta
from itertools import pairwise

import pytest

from registration import outbox
from registration.database import reading, writing
from registration.discussion_file import read
from registration.links import sign_new_address
from registration.models import DiscussionStatus, LetterKind, LetterState, address_index
from registration.services import catalog
from registration.services.discussions import cancellation, publication
from registration.services.discussions.cancellation import NotCancelled
from registration.services.registrations import self_service
from registration.text import addresses
from registration.worker import letter_content

from ... import builders
from ...builders import file
from ...calendars import rfc5545
from ...machine import on_sqlite

MOVED = "starts = 2026-04-03T18:00:00\nends = 2026-04-03T19:30:00"
LATER = "starts = 2026-04-04T18:00:00\nends = 2026-04-04T19:30:00"


def publish(changes: str = "", *, quiet: bool = False) -> int:
    """Publish the small discussion with changes, and return how many letters that owes."""
    with writing() as tx:
        done = publication.publish(tx, read(file(changes)), quiet=quiet)
    return done.letters


def cancel(why: str = "A strike.") -> int:
    with writing() as tx:
        return cancellation.cancel(tx, "water", why)


def restore() -> int:
    with writing() as tx:
        return cancellation.restore(tx, "water")


def act(doing, address: str = "aigerim@example.org") -> None:
    """Do what an attendee does on their own page."""
    with writing() as tx:
        mine, _discussion = self_service.by_token(tx, builders.attendee(address).token)
        doing(tx, mine)


def take_address(new: str) -> None:
    """Let the attendee take a new address, and confirm it."""
    own = builders.attendee()
    with writing() as tx:
        self_service.change(tx, own.token, builders.entry(new))
    with writing() as tx:
        uid = catalog.find(tx, "water").uid
        index = address_index(tx.keys, uid, addresses.parse(new))
        signed = sign_new_address(tx.keys.secret("links"), own.public_id, index)
        builders.press_new_address(tx, signed)


def entries(app, address: str = "aigerim@example.org") -> list[rfc5545.Component]:
    """Return the calendars in the letters to somebody, in the order they were sent."""
    return [
        rfc5545.read(part.get_payload(decode=True))
        for letter in builders.kept_letters(app)
        if letter["To"] == address
        for part in letter.walk()
        if part.get_content_type() == "text/calendar"
    ]


def in_hand(clock, meanwhile) -> None:
    """Let the one letter that is due be written, do something `meanwhile`, then let it be sent."""
    with writing() as tx:
        (letter,) = outbox.claim(tx, 1)
    with reading() as tx:
        written = letter_content.compose(tx, letter)
    meanwhile()
    with writing() as tx:
        letter_content.record_sent(tx, letter, "250 OK", tells=written.tells)


def unpublish() -> None:
    with writing() as tx:
        publication.unpublish(tx, "water")


def personal_calendar(visitor) -> str:
    token = builders.attendee().calendar_token
    return visitor.get(f"/registrations/calendar/{token}.ics").text.replace("\r\n ", "")


def subjects(app) -> list[str]:
    """Deliver due letters, and return the subjects of those sent."""
    before = len(builders.kept_letters(app))
    builders.deliver()
    return [str(letter["Subject"]) for letter in builders.kept_letters(app)[before:]]


@pytest.fixture
def water(app):
    """A discussion with one attendee, who has the confirmation."""
    publish()
    builders.register_and_confirm()
    builders.deliver()


def test_a_change_is_told_a_little_later_and_once(app, clock, water):
    assert publish(MOVED) == 1
    assert subjects(app) == []
    clock.advance(minutes=5)
    assert subjects(app) == ["Changed: Who owns the water?"]
    clock.advance(days=1)
    assert subjects(app) == []
    assert builders.registration_of().told_revision == 2


def test_changes_within_a_short_while_are_told_in_one_letter(app, clock, water):
    publish(MOVED)
    clock.advance(minutes=4)
    assert publish(LATER) == 1
    clock.advance(minutes=4)
    assert publish(LATER + '\njoin_url = "https://meet.example.org/a"') == 1
    clock.advance(minutes=4)
    assert subjects(app) == []
    clock.advance(minutes=1)
    assert subjects(app) == ["Changed: Who owns the water?"]
    text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    assert "Saturday, 4 April 2026" in text
    assert "Thursday, 2 April 2026" in text
    assert "Friday, 3 April 2026" not in text
    assert "https://meet.example.org/a" in text


def test_a_change_that_is_taken_back_in_time_is_not_told(app, clock, water):
    publish(MOVED)
    publish()
    clock.advance(hours=1)
    assert subjects(app) == []
    with reading() as tx:
        states = [letter.state for letter in outbox.every(tx)]
    assert states[-1] is LetterState.DROPPED


def test_a_change_that_is_taken_back_later_is_told_twice(app, clock, water):
    for changes in (MOVED, ""):
        assert publish(changes) == 1
        clock.advance(minutes=5)
        assert len(subjects(app)) == 1


@pytest.mark.parametrize(
    "changes", ['title = "Rivers"', "seats = 20", 'registration = "closed"', 'summary = "S"']
)
@on_sqlite
def test_changes_of_unimportant_fields_are_told_to_nobody(app, clock, water, changes):
    assert publish(changes) == 0
    clock.advance(hours=1)
    assert subjects(app) == []


@on_sqlite
def test_a_quiet_change_is_told_with_the_next_loud_one(app, clock, water):
    assert publish('join_url = "https://meet.example.org/a"', quiet=True) == 0
    clock.advance(hours=1)
    assert subjects(app) == []
    assert publish('join_url = "https://meet.example.org/b"') == 1
    clock.advance(minutes=5)
    assert len(subjects(app)) == 1


@on_sqlite
def test_a_change_that_a_confirmation_told_is_not_told_again(app, clock, water):
    builders.register_and_confirm("bolat@example.org")  # the letter waits
    assert publish(MOVED) == 2
    clock.advance(minutes=5)
    assert sorted(subjects(app)) == [
        "Changed: Who owns the water?",
        "You are registered: Who owns the water?",
    ]
    assert builders.registration_of("bolat@example.org").told_revision == 2


def test_a_change_while_a_letter_of_another_is_in_hand_is_told(app, clock, water):
    publish(MOVED)
    clock.advance(minutes=5)
    with writing() as tx:
        (in_hand,) = outbox.claim(tx, 1)
    assert publish(LATER) == 1
    with reading() as tx:
        owed = [letter for letter in outbox.every(tx) if letter.state is LetterState.OWED]
    assert [letter.kind for letter in owed] == [LetterKind.CHANGE] * 2
    assert in_hand.id == owed[0].id


@on_sqlite
def test_near_its_start_a_change_is_told_at_once(app, clock, water):
    clock.now = builders.publish(file()).starts_at - timedelta(hours=1)
    assert publish('join_url = "https://meet.example.org/a"') == 1
    assert subjects(app) == ["Changed: Who owns the water?"]


@on_sqlite
def test_a_change_of_a_past_discussion_is_told_to_nobody(app, clock, water):
    clock.advance(days=40)
    assert publish('join_url = "https://meet.example.org/a"') == 0


def test_a_day_that_gets_a_time_is_told(app, clock):
    day = "date = 2026-04-02\n"
    with writing() as tx:
        source = file(day, without="starts").replace(b"ends = 2026-04-02T18:30:00", b"")
        publication.publish(tx, read(source))
    builders.register_and_confirm()
    builders.deliver()
    assert publish() == 1
    clock.advance(minutes=5)
    assert subjects(app) == ["Changed: Who owns the water?"]
    letter = builders.kept_letters(app)[-1]
    (part,) = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    entry = part.get_payload(decode=True).decode()
    assert "DTSTART:20260402T120000Z" in entry
    assert "SEQUENCE:1" in entry
    assert "TRANSP" not in entry


def test_a_discussion_is_cancelled_and_taken_back(app, clock, water, visitor):
    builders.register_and_confirm("bolat@example.org")
    builders.deliver()
    assert cancel() == 2
    clock.advance(minutes=5)
    assert subjects(app) == ["Cancelled: Who owns the water?"] * 2
    for path in ("/discussions/water", "/discussions/water.ics", "/discussions.ics", "/"):
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert "cancelled" in answer.text.casefold()
    assert "A strike." in visitor.get("/discussions/water").text
    assert "EventCancelled" in visitor.get("/discussions/water").text
    assert "STATUS:CANCELLED" in visitor.get("/discussions.ics").text
    assert "Registration is closed." in visitor.get("/discussions/water/register").text
    assert restore() == 2
    clock.advance(minutes=5)
    assert subjects(app) == ["Takes place after all: Who owns the water?"] * 2
    assert "STATUS:CONFIRMED" in visitor.get("/discussions.ics").text
    assert "A strike." not in visitor.get("/discussions/water").text
    with reading() as tx:
        found = catalog.find(tx, "water")
    assert (found.sequence, found.version) == (2, 3)


@on_sqlite
def test_a_cancellation_taken_back_in_time_is_told_to_nobody(app, clock, water):
    assert cancel() == 1
    assert restore() == 0
    clock.advance(hours=1)
    assert subjects(app) == []


@on_sqlite
def test_cancelled_again_it_gets_the_other_reason_and_no_letter(app, clock, water):
    cancel()
    clock.advance(minutes=5)
    builders.deliver()
    assert cancel("Ill.") == 0
    assert cancel("Ill.") == 0
    with reading() as tx:
        found = catalog.find(tx, "water")
    assert (found.cancelled_why, found.sequence, found.version) == ("Ill.", 1, 3)


@on_sqlite
def test_a_confirmation_after_a_cancellation_brings_no_invitation(app, clock, water):
    builders.register(address="late@example.org")
    cancel()
    builders.confirm("late@example.org")
    clock.advance(minutes=5)
    builders.deliver()
    letter = next(
        it
        for it in builders.kept_letters(app)
        if it["To"] == "late@example.org" and "registered" in it["Subject"]
    )
    assert "text/calendar" not in [part.get_content_type() for part in letter.walk()]
    assert restore() == 2
    clock.advance(minutes=5)
    assert subjects(app) == ["Takes place after all: Who owns the water?"] * 2


@on_sqlite
def test_only_coming_discussions_are_cancelled_and_only_cancelled_ones_restored(app, clock, water):
    with pytest.raises(NotCancelled, match="water is not cancelled"):
        restore()
    with writing() as tx:
        publication.unpublish(tx, "water")
    with pytest.raises(NotCancelled, match="water is unpublished"):
        cancel()
    publish('title = "Rivers"')
    clock.advance(days=40)
    with pytest.raises(NotCancelled, match="has taken place"):
        cancel()


@on_sqlite
def test_withdrawn_and_erased_attendees_are_told_nothing(app, clock, water):
    publish(MOVED)
    with writing() as tx:
        registration, _ = self_service.by_token(tx, builders.attendee().token)
        self_service.withdraw(tx, registration)
    clock.advance(minutes=5)
    assert subjects(app) == ["You have withdrawn: Who owns the water?"]


def test_a_cancelled_discussion_stays_so_when_its_file_changes(app, clock, water):
    cancel()
    clock.advance(minutes=5)
    builders.deliver()
    assert publish(MOVED) == 0
    with reading() as tx:
        assert catalog.find(tx, "water").status is DiscussionStatus.CANCELLED
    assert restore() == 1
    clock.advance(minutes=5)
    assert subjects(app) == ["Takes place after all: Who owns the water?"]


def test_two_amendments_at_once_are_told_as_the_last_one(app, clock, water):
    builders.at_once(app, [lambda: publish(MOVED), lambda: publish(LATER)])
    clock.advance(minutes=5)
    (subject,) = subjects(app)
    assert subject == "Changed: Who owns the water?"
    with reading() as tx:
        day = catalog.find(tx, "water").starts_local.day
    text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    assert f"{day} April 2026, 18:00" in text


@on_sqlite
def test_an_amendment_while_letters_are_queued_is_told_to_each_once(app, clock):
    at_once = "address_confirmation = false\n"
    publish(at_once)
    for number in range(100):
        builders.register(address=f"a{number}@example.org")
    assert publish(at_once + MOVED) == 100
    clock.advance(minutes=5)
    builders.deliver()
    letters = builders.kept_letters(app)
    told = [it for it in letters if "registered" in it["Subject"] or "Changed" in it["Subject"]]
    assert len({it["To"] for it in told}) == len(told) == 100
    for letter in told:
        assert "Friday, 3 April 2026" in letter.get_body(("plain",)).get_content()


def test_unpublishing_a_cancelled_discussion_leaves_it_cancelled(app, clock, water, visitor):
    cancel()
    unpublish()
    clock.advance(minutes=5)
    assert subjects(app) == ["Cancelled: Who owns the water?"]
    letter = builders.kept_letters(app)[-1]
    assert "/discussions/water" not in letter.get_body(("plain",)).get_content()
    assert "STATUS:CANCELLED" in personal_calendar(visitor)
    own = visitor.get(f"/registrations/{builders.attendee().token}").text
    assert "A strike." in own
    with pytest.raises(NotCancelled, match="water is unpublished"):
        restore()
    assert publish() == 0
    with reading() as tx:
        assert catalog.find(tx, "water").status is DiscussionStatus.CANCELLED
    assert "A strike." in visitor.get("/discussions/water").text
    assert restore() == 1
    clock.advance(minutes=5)
    assert subjects(app) == ["Takes place after all: Who owns the water?"]


@on_sqlite
def test_nothing_links_a_page_that_is_gone(app, clock, water, visitor):
    publish(MOVED)
    unpublish()
    clock.advance(minutes=5)
    assert subjects(app) == ["Changed: Who owns the water?"]
    for part in builders.kept_letters(app)[-1].walk():
        if not part.is_multipart():
            said = part.get_payload(decode=True).decode().replace("\r\n ", "")
            assert "/discussions/water" not in said
    assert "/discussions/water" not in personal_calendar(visitor)


def test_a_change_taken_back_during_sending_is_corrected(app, clock, water):
    publish(MOVED)
    clock.advance(minutes=5)
    in_hand(clock, publish)
    assert subjects(app) == []
    clock.advance(minutes=5)
    assert subjects(app) == ["Changed: Who owns the water?"]
    text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    assert text.index("Thursday, 2 April") < text.index("Until now") < text.index("Friday, 3 April")


@on_sqlite
def test_a_quiet_change_while_a_letter_is_being_sent_is_told_to_nobody(app, clock):
    publish("address_confirmation = false")
    builders.register()
    in_hand(
        clock,
        lambda: publish(
            'address_confirmation = false\njoin_url = "https://meet.example.org/a"', quiet=True
        ),
    )
    clock.advance(minutes=5)
    assert subjects(app) == []


@on_sqlite
def test_a_confirmation_names_the_former_time_if_they_knew_it(app, clock, water):
    publish(MOVED)
    take_address("new@example.org")
    clock.advance(minutes=5)
    assert subjects(app) == ["You are registered: Who owns the water?"]
    text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    assert text.index("Friday, 3 April") < text.index("Until now") < text.index("Thursday, 2 April")


@on_sqlite
def test_a_confirmation_does_not_stand_for_a_cancellation(app, clock, water):
    cancel()
    take_address("new@example.org")
    clock.advance(minutes=5)
    assert sorted(subjects(app)) == [
        "Cancelled: Who owns the water?",
        "You are registered: Who owns the water?",
    ]


@on_sqlite
def test_a_clock_that_goes_back_a_little_does_not_hurry_a_letter(app, clock, water):
    publish(MOVED)
    clock.advance(seconds=-2)
    assert subjects(app) == []
    clock.advance(minutes=5, seconds=2)
    assert subjects(app) == ["Changed: Who owns the water?"]


def test_a_registration_after_an_erasure_outranks_earlier_entries(app, clock, water, visitor):
    def erase(tx, mine):
        self_service.erase(tx, mine)

    act(self_service.withdraw)
    builders.deliver()
    sequences = [int(entry.event["SEQUENCE"].text) for entry in entries(app)]
    assert sequences == [0, 1]
    for _ in range(3):
        act(erase)
        builders.register_and_confirm()
        builders.deliver()
        (entry,) = entries(app)
        token = builders.attendee().token
        cancelled = rfc5545.read(visitor.get(f"/registrations/{token}/cancellation.ics").data)
        sequences += [int(it.event["SEQUENCE"].text) for it in (entry, cancelled)]
    assert all(first < second for first, second in pairwise(sequences))


@on_sqlite
def test_an_entry_is_newer_although_the_clock_went_back(app, clock):
    publish('join_url = "https://meet.example.org/a"')
    clock.advance(days=1)
    builders.register_and_confirm()
    builders.deliver()
    clock.advance(hours=-23)
    publish('join_url = "https://meet.example.org/b"')
    clock.advance(minutes=5)
    builders.deliver()
    first, second = (item.event["DTSTAMP"].text for item in entries(app))
    assert first < second


@on_sqlite
def test_a_letter_that_is_owed_already_is_not_owed_again(app, clock):
    publish("address_confirmation = false")
    builders.register()
    act(self_service.withdraw)
    builders.register()
    builders.confirm()
    assert subjects(app) == ["You are registered: Who owns the water?"]
    act(self_service.withdraw)
    builders.register()
    builders.confirm()
    act(self_service.withdraw)
    assert subjects(app) == ["You have withdrawn: Who owns the water?"]


@on_sqlite
def test_a_past_discussion_is_not_restored(app, clock, water):
    cancel()
    clock.advance(days=40)
    with pytest.raises(NotCancelled, match="would be over"):
        restore()


@on_sqlite
def test_a_past_meeting_is_not_joined_once_there_is_a_recording(app, clock, water, visitor):
    join = 'join_url = "https://meet.example.org/a"\n'
    publish(join)
    assert "meet.example.org" in personal_calendar(visitor)
    publish(join + 'recording_url = "https://tube.example.org/v"')
    assert "meet.example.org" not in personal_calendar(visitor)
    assert "tube.example.org" in personal_calendar(visitor)
