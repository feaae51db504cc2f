"""Letters about changes: the old value, the new one, and the update of the calendar entry."""

from dataclasses import replace
from typing import Any

import pytest

from registration.models import DiscussionStatus, Essentials, LetterKind, RegistrationStatus

from .. import builders
from ..calendars import rfc5545
from .conftest import bodies, received

JOIN = 'join_url = "https://meet.example.org/new"'
WATER = builders.unsaved_discussion()
WAS = "Thursday, 2 April 2026, 17:00\N{EN DASH}18:30 UTC+5 (Asia/Almaty)"
NOW = "Friday, 3 April 2026, 18:00\N{EN DASH}19:30 UTC+5 (Asia/Almaty)"
MOVED = "starts = 2026-04-03T18:00:00\nends = 2026-04-03T19:30:00\n"


def told(changes: str = "", **values: Any) -> Essentials:
    return replace(builders.unsaved_discussion(builders.file(changes)).essentials, **values)


def now_is(changes: str = "", **columns: Any):
    return builders.unsaved_discussion(builders.file(changes), **columns)


def off(**columns: Any):
    return now_is(JOIN, status=DiscussionStatus.CANCELLED, cancelled_why="A strike.", **columns)


def entry(message):
    """Return method and entry of the invitation in a letter."""
    (part,) = [
        part for part in received(message).walk() if part.get_content_type() == "text/calendar"
    ]
    calendar = rfc5545.read(part.get_payload(decode=True))
    return calendar["METHOD"].text, calendar.events[0]


def shown(message) -> list[str]:
    return [" ".join(body.split()) for body in bodies(message)]


def test_a_move_says_the_time_until_now_and_the_time_now(write):
    message = write(LetterKind.CHANGE, now_is(MOVED, sequence=1), told=told())
    assert message["Subject"] == "Changed: Who owns the water?"
    for body in shown(message):
        assert body.index(NOW) < body.index("Until now its time was:") < body.index(WAS)
        assert "takes the place of the one in your calendar" in body
    method, event = entry(message)
    assert (method, event["SEQUENCE"].text, event["DTSTART"].text) == (
        "REQUEST",
        "1",
        "20260403T130000Z",
    )


def test_a_new_link_says_the_link_until_now_and_the_link_now(write):
    before = told('join_url = "https://meet.example.org/old"')
    message = write(LetterKind.CHANGE, now_is(JOIN), told=before)
    for body in shown(message):
        assert body.index("https://meet.example.org/new") < body.index(
            "https://meet.example.org/old"
        )
        assert "Until now its time was" not in body
    method, event = entry(message)
    assert (method, event["LOCATION"].text) == ("REQUEST", "https://meet.example.org/new")


def test_a_first_link_is_told_without_one_until_now(write):
    for body in shown(write(LetterKind.CHANGE, now_is(JOIN), told=told())):
        assert "https://meet.example.org/new" in body
        assert "Until now" not in body


def test_a_cancellation_says_why_and_takes_the_entry_out(write):
    message = write(LetterKind.CHANGE, off(sequence=1), told=told(JOIN))
    assert message["Subject"] == "Cancelled: Who owns the water?"
    for body in shown(message):
        assert "This discussion is cancelled." in body
        assert "A strike." in body
        assert "meet.example.org" not in body
    method, event = entry(message)
    assert (method, event["STATUS"].text, event["SEQUENCE"].text) == ("CANCEL", "CANCELLED", "1")
    assert "LOCATION" not in event.names


def test_a_restored_discussion_is_told_with_a_new_entry(write):
    message = write(LetterKind.CHANGE, now_is(JOIN, sequence=2), told=told(is_cancelled=True))
    assert message["Subject"] == "Takes place after all: Who owns the water?"
    for body in shown(message):
        assert "was cancelled. It takes place after all" in body
        assert "https://meet.example.org/new" in body
    method, event = entry(message)
    assert (method, event["STATUS"].text) == ("REQUEST", "CONFIRMED")


@pytest.mark.parametrize("discussion", [now_is(MOVED + JOIN, sequence=1), off()])
def test_waiting_attendees_are_told_without_link_and_entry(write, discussion):
    message = write(LetterKind.CHANGE, discussion, told=told(), status=RegistrationStatus.WAITING)
    assert received(message).get_content_type() == "multipart/alternative"
    for body in shown(message):
        assert "meet.example.org" not in body
        assert "your calendar" not in body


def test_waiting_attendees_are_told_nothing_of_the_link(write):
    waiting = RegistrationStatus.WAITING
    assert write(LetterKind.CHANGE, now_is(JOIN), told=told(), status=waiting) is None


@pytest.mark.parametrize(
    ("discussion", "before"),
    [
        (now_is(JOIN), told(JOIN)),
        (off(), told(is_cancelled=True)),
        (now_is("starts = 2026-03-01T10:00:00\nends = 2026-03-01T11:00:00"), told()),
    ],
    ids=["nothing has changed", "it is known to be off", "it is over"],
)
def test_a_change_without_news_is_not_told(write, discussion, before, monkeypatch):
    monkeypatch.setattr("tests.mail.conftest.BEFORE", frozenset())
    assert write(LetterKind.CHANGE, discussion, told=before) is None


def test_a_change_is_told_too_where_nothing_is_known_of_before(write):
    for body in shown(write(LetterKind.CHANGE, now_is(MOVED))):
        assert NOW in body
        assert "Until now" not in body


def test_a_zone_that_has_vanished_is_told_all_the_same(write):
    gone = now_is(MOVED, zone="Asia/Atlantis", sequence=1)
    for body in shown(write(LetterKind.CHANGE, gone, told=told())):
        assert NOW.replace("Almaty", "Atlantis") in body


@pytest.mark.parametrize("discussion", [now_is(MOVED), off()])
def test_a_letter_without_an_entry_speaks_of_none(write, discussion):
    # A calendar ignores an invitation that its own address has sent.
    message = write(LetterKind.CHANGE, discussion, told=told(), address="events@example.org")
    assert [body for body in shown(message) if "entry" in body] == []
