"""How a letter and its invitation are put together, read back by parsers that are not ours."""

import pytest
from ical.calendar_stream import IcsCalendarStream

from registration.models import LetterKind

from .. import builders
from .conftest import TOKEN, TRUE_AT, received


def test_a_confirmation_is_built_as_calendars_and_mail_programs_need_it(write):
    message = received(write(LetterKind.CONFIRMATION))
    alternative, attachment = message.iter_parts()
    text, html, calendar = alternative.iter_parts()

    assert message.get_content_type() == "multipart/mixed"
    assert alternative.get_content_type() == "multipart/alternative"
    assert text.get_content_type() == "text/plain"
    assert html.get_content_type() == "text/html"
    assert calendar.get_content_type() == "text/calendar"
    assert dict(calendar["Content-Type"].params) == {"method": "REQUEST", "charset": "utf-8"}
    assert calendar["Content-Transfer-Encoding"] == "base64"
    assert calendar["Content-Disposition"] is None
    assert attachment.get_content_type() == "application/ics"
    assert attachment.get_filename() == "invite.ics"
    assert attachment.get_payload(decode=True) == calendar.get_payload(decode=True)


def test_the_calendar_part_keeps_its_line_ends(write):
    message = received(
        write(LetterKind.CONFIRMATION, builders.unsaved_discussion(builders.FIRST.read_bytes()))
    )
    (calendar,) = (p for p in message.walk() if p.get_content_type() == "text/calendar")
    content = calendar.get_payload(decode=True)
    assert content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") > 20


def test_the_invitation_names_the_attendee_and_the_organizer_and_no_personal_link(write):
    message = received(write(LetterKind.CONFIRMATION))
    (part,) = message.iter_attachments()
    content = part.get_payload(decode=True).decode()
    (event,) = IcsCalendarStream.calendar_from_ics(content).events
    lines = content.replace("\r\n ", "").split("\r\n")
    assert "METHOD:REQUEST" in lines
    assert event.uid == "a1b2c3d4@events.example.org"
    assert [str(person.uri) for person in event.attendees] == ["mailto:aigerim@example.org"]
    assert str(event.organizer.uri) == "mailto:events@example.org"
    assert TOKEN not in content
    assert "Айгерим" not in content


def test_a_withdrawal_takes_the_entry_out_of_the_calendar(write):
    message = received(write(LetterKind.WITHDRAWAL))
    (part,) = message.iter_attachments()
    lines = part.get_payload(decode=True).decode().replace("\r\n ", "").split("\r\n")
    assert part.get_filename() == "invite.ics"
    assert "METHOD:CANCEL" in lines
    assert "SEQUENCE:1" in lines
    assert not [line for line in lines if line.startswith("STATUS")]


INVITING = {
    LetterKind.CONFIRMATION,
    LetterKind.SEAT,
    LetterKind.CHANGE,
    LetterKind.FOLLOW_UP,
    LetterKind.WITHDRAWAL,
}


@pytest.mark.parametrize("kind", sorted(TRUE_AT.keys() - INVITING))
def test_no_other_letter_invites(write, kind):
    message = received(write(kind))
    parts = [part.get_content_type() for part in message.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]


def test_the_organizer_is_never_invited_by_themselves(write):
    message = received(write(LetterKind.CONFIRMATION, address="Events@example.org"))
    assert message.get_content_type() == "multipart/alternative"


def test_a_discreet_invitation_says_only_that_there_is_something(write):
    (part,) = received(
        write(
            LetterKind.CONFIRMATION, builders.unsaved_discussion(builders.file("discreet = true"))
        )
    ).iter_attachments()
    (event,) = IcsCalendarStream.calendar_from_ics(part.get_payload(decode=True).decode()).events
    assert (event.summary, event.description) == ("Online meeting", None)
