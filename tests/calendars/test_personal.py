"""The invitation, its cancellation and the personal calendar: for one attendee, and legal."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ical.calendar_stream import IcsCalendarStream

from registration.calendars import personal
from registration.calendars.personal import Guest
from registration.database import writing
from registration.links import Links
from registration.models import Discussion
from registration.services.discussions import publication

from .. import builders
from ..machine import on_sqlite
from . import rfc5545

LINKS = Links("https://events.example.org")
JOIN = "https://meet.example/secret?a=b,c;d"
GUEST = Guest("aigerim@example.org", 4)
WRITTEN = datetime(2026, 3, 20, 8, 30, tzinfo=UTC)


def with_join(changes: str = "", **columns: Any) -> Discussion:
    return builders.unsaved_discussion(builders.file(f'join_url = "{JOIN}"\n{changes}'), **columns)


def how(discussion: Discussion) -> dict[str, bool]:
    return {"is_discreet": discussion.content.discreet}


def request(discussion: Discussion) -> rfc5545.Component:
    return rfc5545.read(personal.request(discussion, GUEST, WRITTEN, LINKS, **how(discussion)))


def cancellation(discussion: Discussion) -> rfc5545.Component:
    return rfc5545.read(personal.cancellation(discussion, GUEST, WRITTEN, LINKS, **how(discussion)))


def calendar(discussion: Discussion) -> rfc5545.Component:
    return rfc5545.read(personal.calendar(discussion, 4, LINKS, **how(discussion)))


def test_an_invitation_names_its_method_its_organizer_and_one_attendee():
    found = request(with_join())
    assert found.names == {"PRODID", "VERSION", "METHOD"}
    assert found["METHOD"].value == "REQUEST"
    assert found.event["ORGANIZER"].value == "mailto:events@example.org"
    assert found.event["ORGANIZER"].parameters == {"CN": "Our group"}
    assert found.event["ATTENDEE"].value == "mailto:aigerim@example.org"
    assert found.event["ATTENDEE"].parameters == {
        "CUTYPE": "INDIVIDUAL",
        "ROLE": "REQ-PARTICIPANT",
        "PARTSTAT": "ACCEPTED",
        "RSVP": "FALSE",
    }


def test_an_invitation_has_the_public_identity_the_letters_time_and_its_own_sequence():
    event = request(with_join()).event
    assert event["UID"].text == builders.unsaved_discussion().uid
    assert event["SEQUENCE"].value == "4"
    assert event["DTSTAMP"].value == "20260320T083000Z"
    assert event["LAST-MODIFIED"].value == "20260302T120000Z"
    assert (event["DTSTART"].value, event["DTEND"].value) == (
        "20260402T120000Z",
        "20260402T133000Z",
    )
    assert event["STATUS"].value == "CONFIRMED"


@pytest.mark.parametrize("write", [request, calendar])
def test_the_join_link_stands_where_programs_and_people_look(write):
    event = write(with_join()).event
    assert event["LOCATION"].text == JOIN
    assert event["CONFERENCE"].value == JOIN
    assert event["CONFERENCE"].parameters == {"VALUE": "URI", "FEATURE": "VIDEO", "LABEL": "Join"}
    assert event["DESCRIPTION"].text.startswith(f"Join: {JOIN}\n\n")
    assert "Saule Suleimenova" in event["DESCRIPTION"].text


@pytest.mark.parametrize("write", [request, calendar])
def test_without_a_join_link_nothing_is_invented(write):
    event = write(builders.unsaved_discussion()).event
    assert not event.names & {"LOCATION", "CONFERENCE"}
    assert event["DESCRIPTION"].text.startswith("Thursday, 2 April 2026")


def test_a_cancellation_names_one_attendee_and_keeps_the_discussion():
    found = cancellation(with_join())
    assert found["METHOD"].value == "CANCEL"
    assert "STATUS" not in found.event.names
    assert found.event["ATTENDEE"].value == "mailto:aigerim@example.org"
    assert found.event["ORGANIZER"].value == "mailto:events@example.org"
    assert found.event["UID"].text == builders.unsaved_discussion().uid
    assert found.event["SEQUENCE"].value == "4"


def test_a_cancellation_never_has_the_join_link():
    content = personal.cancellation(with_join(), GUEST, WRITTEN, LINKS, is_discreet=False)
    assert "meet.example" not in "".join(rfc5545.unfolded(content))


def test_a_personal_calendar_names_nobody_and_has_no_method():
    found = calendar(with_join())
    assert found.names == {
        "PRODID", "VERSION", "NAME", "X-WR-CALNAME", "REFRESH-INTERVAL", "X-PUBLISHED-TTL",
    }  # fmt: skip
    assert not found.event.names & {"ATTENDEE", "ORGANIZER"}
    assert found.event["SEQUENCE"].value == "4"
    assert found["REFRESH-INTERVAL"].parameters == {"VALUE": "DURATION"}


def test_a_personal_calendars_name_has_nothing_to_escape():
    found = calendar(with_join(r"title = 'Water, rivers; and \ seas'"))
    assert found["NAME"].value == found["X-WR-CALNAME"].value == "Water rivers and seas"
    assert found.event["SUMMARY"].text == r"Water, rivers; and \ seas"


@pytest.mark.parametrize("write", [request, cancellation, calendar])
def test_a_discreet_entry_says_only_that_there_is_something(write):
    found = write(with_join("discreet = true"))
    event = found.event
    assert event["SUMMARY"].text == "Online meeting"
    assert not event.names & {"URL", "LINK", "CATEGORIES"}
    content = repr(found)
    for word in ("water", "Saule", "Aral", "Our group", "events.example.org/"):
        assert word not in content


def test_a_discreet_invitation_has_the_join_link_alone():
    event = request(with_join("discreet = true")).event
    assert event["DESCRIPTION"].text == f"Join: {JOIN}"
    assert "CN" not in event["ORGANIZER"].parameters
    assert (
        "DESCRIPTION"
        not in request(builders.unsaved_discussion(builders.file("discreet = true"))).event.names
    )


def test_a_whole_day_is_one_in_an_invitation_too():
    event = request(builders.unsaved_discussion(builders.FIRST.read_bytes())).event
    assert (event["DTSTART"].value, event["DTEND"].value) == ("20231207", "20231208")
    assert event["TRANSP"].value == "TRANSPARENT"


@pytest.mark.parametrize(
    ("organizer", "name"),
    [
        ("events@example.org", None),
        ("Our group <events@example.org>", "Our group"),
        ('"Doe, Jane: a; b" <events@example.org>', "Doe, Jane: a; b"),
        (r'"back\\slash" <events@example.org>', r"back\slash"),
        ("Қоғам <events@example.org>", "Қоғам"),
    ],
)
def test_the_organizer_is_named_as_the_discussion_keeps_it(organizer, name):
    discussion = with_join(organizer_address=organizer)
    found = request(discussion).event["ORGANIZER"]
    assert found.value == "mailto:events@example.org"
    assert found.parameters.get("CN") == name
    assert personal.can_invite(discussion, "aigerim@example.org")
    assert not personal.can_invite(discussion, "Events@example.org")


@pytest.mark.parametrize("write", [personal.request, personal.cancellation])
def test_another_library_reads_a_letters_entry(write):
    content = write(with_join(), GUEST, WRITTEN, LINKS, is_discreet=False)
    (event,) = IcsCalendarStream.calendar_from_ics(content.decode()).events
    assert [str(person.uri) for person in event.attendees] == ["mailto:aigerim@example.org"]
    assert str(event.organizer.uri) == "mailto:events@example.org"
    assert (event.sequence, event.dtstamp) == (4, WRITTEN)


def test_a_cancelled_discussion_is_cancelled_in_the_personal_calendar():
    assert calendar(with_join(cancelled_why="A strike.")).event["STATUS"].value == "CANCELLED"


@on_sqlite
def test_a_letter_carries_the_same_invitation_twice_and_never_the_personal_link(app, clock):
    builders.publish(builders.file(f'join_url = "{JOIN}"'))
    person = builders.register_and_confirm()
    clock.advance(minutes=5)
    builders.deliver()
    letter = builders.kept_letters(app)[-1]
    parts = {part.get_content_type(): part for part in letter.walk()}
    assert parts["text/calendar"].get_param("method") == "REQUEST"
    content = parts["text/calendar"].get_payload(decode=True)
    assert parts["application/ics"].get_payload(decode=True) == content
    found = rfc5545.read(content)
    assert found.event["CONFERENCE"].value == JOIN
    assert found.event["DTSTAMP"].value == clock.now.strftime("%Y%m%dT%H%M%SZ")
    for secret in (person.token, person.calendar_token):
        assert secret not in "".join(rfc5545.unfolded(content))


@on_sqlite
def test_a_withdrawal_outranks_its_invitation_and_coming_back_outranks_both(app, visitor, clock):
    builders.publish()
    person = builders.register_and_confirm()
    builders.deliver()
    clock.advance(minutes=5)
    visitor.press(f"/registrations/{person.token}", "withdraw")
    builders.deliver()
    clock.advance(minutes=5)
    builders.register_and_confirm()
    builders.deliver()
    letters = list(filter(None, map(entry_of, builders.kept_letters(app))))
    said = [(item["METHOD"].value, item.event["SEQUENCE"].value) for item in letters]
    assert said == [("REQUEST", "0"), ("CANCEL", "1"), ("REQUEST", "2")]
    assert len({item.event["UID"].value for item in letters}) == 1


def entry_of(letter: Any) -> rfc5545.Component | None:
    for part in letter.walk():
        if part.get_content_type() == "text/calendar":
            return rfc5545.read(part.get_payload(decode=True))
    return None


@on_sqlite
def test_a_waiting_attendee_gets_no_join_link_from_the_cancellation_file(app, visitor):
    builders.publish(builders.file(f'join_url = "{JOIN}"\nseats = 1'))
    builders.register_and_confirm()
    waiting = builders.register_and_confirm("dana@example.org")
    answer = visitor.get(f"/registrations/{waiting.token}/cancellation.ics")
    assert answer.status_code == 200
    assert "meet.example" not in "".join(rfc5545.unfolded(answer.data))
    assert visitor.get(f"/registrations/calendar/{waiting.calendar_token}.ics").status_code == 404


@on_sqlite
def test_an_attendees_calendar_and_withdrawal_outlive_unpublishing(app, visitor, clock):
    builders.publish()
    person = builders.register_and_confirm()
    with writing() as tx:
        publication.unpublish(tx, "water")
    answer = visitor.get(f"/registrations/calendar/{person.calendar_token}.ics")
    assert (answer.status_code, answer.content_type) == (200, "text/calendar; charset=utf-8")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert rfc5545.read(answer.data).event["STATUS"].value == "CONFIRMED"
    visitor.press(f"/registrations/{person.token}", "withdraw")
    builders.deliver()
    assert entry_of(builders.kept_letters(app)[-1])["METHOD"].value == "CANCEL"
