"""The public pages change with the clock, the seats and the status of the discussion."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registration.database import writing
from registration.services import catalog, installation
from registration.services.discussions import publication
from registration.services.erasure import erasures
from registration.services.registrations import self_service

from ... import builders
from ...calendars import rfc5545
from ...machine import on_sqlite
from ...visitor import text_of, tree_of

FULL = "All seats are taken. You can join the waiting list."


def feed_of(visitor) -> list[str]:
    """Return the titles in the feed."""
    events = rfc5545.read(visitor.get("/discussions.ics").data).events
    return [item["SUMMARY"].text for item in events]


def at(clock, *moment: int) -> None:
    clock.now = datetime(*moment, tzinfo=UTC)  # type: ignore[misc]


def page_text(visitor, slug: str = "water") -> str:
    return text_of(visitor.get(f"/discussions/{slug}").text)


def test_words_follow_the_clock(app, visitor, clock):
    builders.publish()  # 12:00 to 13:30 UTC on 2 April 2026
    moments = [(11, 59, "coming"), (12, 0, "on now"), (13, 29, "on now"), (13, 30, "held")]
    for hour, minute, word in moments:
        at(clock, 2026, 4, 2, hour, minute)
        assert f"Online discussion, {word}" in page_text(visitor)
        coming, _heading, held = text_of(visitor.get("/").text).partition("Held")
        assert ("Who owns the water?" in held) is (word == "held")
        assert ("Who owns the water?" in coming) is (word != "held")
    assert "This discussion has taken place." in page_text(visitor)


@on_sqlite
def test_a_whole_day_is_spoken_of_as_one(app, visitor, clock):
    source = builders.file("date = 2026-04-02", without="starts").decode()
    lines = [line for line in source.splitlines() if not line.startswith(("ends", "zone"))]
    builders.publish("\n".join(lines).encode())
    assert "The time of day is not announced yet." in page_text(visitor)
    assert "Online discussion, coming" in page_text(visitor)
    at(clock, 2026, 4, 1, 10, 0)  # it is that day already at UTC+14
    assert "Online discussion, this day" in page_text(visitor)
    at(clock, 2026, 4, 3, 12, 0)  # and is not any more, at UTC-12
    assert "Online discussion, held" in page_text(visitor)


@pytest.mark.parametrize(
    ("rule", "last", "first"),
    [
        ("end", (2026, 4, 2, 13, 29), (2026, 4, 2, 13, 30)),
        ("2026-03-20T09:00:00", (2026, 3, 20, 3, 59), (2026, 3, 20, 4, 0)),
    ],
)
@on_sqlite
def test_registration_closes_by_itself(app, visitor, clock, rule, last, first):
    stated = "" if rule == "end" else f"registration = {rule}"
    builders.publish(builders.file(stated))
    assert "Registration is closed." not in page_text(visitor)
    at(clock, *last)
    assert "Registration is closed." not in page_text(visitor)
    at(clock, *first)
    assert "Registration is closed." in page_text(visitor)
    links = [link.get("href") for link in tree_of(visitor.get("/discussions/water").text).iter("a")]
    assert "/discussions/water/register" not in links


def test_a_seat_that_is_only_held_is_free_again_by_time_alone(app, visitor, clock):
    builders.publish(builders.file("seats = 1"))
    assert FULL not in page_text(visitor)
    builders.register()
    assert FULL in page_text(visitor)
    clock.advance(hours=23, minutes=59)
    assert FULL in page_text(visitor)
    clock.advance(minutes=1)
    assert FULL not in page_text(visitor)


def test_a_page_says_whether_all_seats_are_taken(app, visitor, clock):
    builders.publish(builders.file("seats = 2"))
    builders.register_and_confirm()
    assert FULL not in page_text(visitor)
    person = builders.register_and_confirm("dana@example.org")
    assert FULL in page_text(visitor)
    clock.advance(days=2)
    assert FULL in page_text(visitor)
    visitor.press(f"/registrations/{person.token}", "withdraw")
    assert FULL not in page_text(visitor)


def test_an_erased_registration_frees_its_seat_on_the_page(app, visitor, clock):
    builders.publish(builders.file("seats = 1"))
    person = builders.register_and_confirm()
    assert FULL in page_text(visitor)
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        erasures.erase(tx, registration, letters=None)
    assert FULL not in page_text(visitor)


def test_seats_that_are_added_are_on_the_page(app, visitor):
    builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm()
    assert FULL in page_text(visitor)
    builders.publish(builders.file("seats = 2"))
    assert FULL not in page_text(visitor)


def test_an_unpublished_page_answers_that_it_is_gone(app, visitor, clock):
    builders.publish()
    builders.publish_first()
    for path in ("/", "/discussions/water", "/discussions/water.ics", "/discussions.ics"):
        assert visitor.get(path).status_code == 200
    with writing() as tx:
        publication.unpublish(tx, "water")
    for path in ("", ".ics", "/register", "/registered"):
        assert visitor.get(f"/discussions/water{path}").status_code == 410
        assert visitor.client.head(f"/discussions/water{path}").status_code == 410
    assert feed_of(visitor) == ["Kazakhstan\N{RIGHT SINGLE QUOTATION MARK}s Bloody January"]
    assert "Who owns the water?" not in text_of(visitor.get("/").text)


@on_sqlite
def test_the_absence_of_an_unpublished_discussion_is_a_change(app, visitor, clock):
    builders.publish()
    builders.publish_first()
    clock.advance(hours=1)
    seen = visitor.get("/discussions.ics").headers["Last-Modified"]
    with writing() as tx:
        publication.unpublish(tx, "water")
    clock.advance(hours=1)
    answer = visitor.get("/discussions.ics", If_Modified_Since=seen)
    assert answer.status_code == 200
    assert answer.headers["Last-Modified"] != seen


@on_sqlite
def test_when_nothing_is_left_the_feed_is_still_a_calendar(app, visitor, clock):
    assert feed_of(visitor) == []
    builders.publish()
    with writing() as tx:
        publication.unpublish(tx, "water")
    assert feed_of(visitor) == []
    assert "No discussion is announced at the moment." in text_of(visitor.get("/").text)


@on_sqlite
def test_a_cancelled_discussion_stays_and_says_so(app, visitor):
    builders.publish()
    builders.cancel()
    event = rfc5545.read(visitor.get("/discussions.ics").data).event
    assert event["STATUS"].value == "CANCELLED"
    said = page_text(visitor)
    assert "Online discussion, cancelled" in said
    assert "This discussion is cancelled." in said
    assert "Registration is closed." in said
    assert "cancelled" in text_of(visitor.get("/").text)


@on_sqlite
def test_one_discussion_that_cannot_be_written_does_not_take_the_feed_down(app, visitor):
    builders.publish()
    builders.publish_first()
    with writing() as tx:
        stated = catalog.find(tx, "water")
        stated.content = replace(stated.content, language="xx-yy-zz")
        installation.note_content_change(tx)
    assert feed_of(visitor) == ["Kazakhstan\N{RIGHT SINGLE QUOTATION MARK}s Bloody January"]
