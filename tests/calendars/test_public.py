"""The feed and the file: legal, stable, read alike by others, and without anything private."""

import io
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import vobject
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream

from registration.calendars import public
from registration.calendars.description import description
from registration.links import Links
from registration.models import Discussion
from registration.text.normalize import paragraphs

from .. import builders
from . import rfc5545

LINKS = Links("https://events.example.org")

# A title may contain every character that the reader of discussion files accepts.
LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"])
TITLES = st.lists(
    st.one_of(st.sampled_from([",", ";", "\\", "\\n", "\\N", '"', "^n", ":"]), LETTERS)
)
WATER = builders.unsaved_discussion()


def feed(*discussions: Discussion) -> bytes:
    return public.feed(discussions, "Discussions", LINKS)


def titled(title: str) -> Discussion:
    return builders.unsaved_discussion(content=replace(WATER.content, title=title))


def strictly(content: bytes) -> Calendar:
    return IcsCalendarStream.calendar_from_ics(content.decode())


@pytest.fixture
def first() -> Discussion:
    return builders.unsaved_discussion(builders.FIRST.read_bytes())


def test_three_independent_readers_agree_on_the_feed(first):
    content = feed(first, WATER)

    ours = rfc5545.read(content).events
    strict = strictly(content).events
    loose = vobject.readOne(io.StringIO(content.decode())).vevent_list
    for number, discussion in enumerate([first, WATER]):
        said = description(discussion, LINKS)
        assert ours[number]["UID"].text == strict[number].uid == loose[number].uid.value
        assert ours[number]["SUMMARY"].text == strict[number].summary == discussion.content.title
        assert loose[number].summary.value == discussion.content.title
        assert ours[number]["DESCRIPTION"].text == said
        assert strict[number].description == said
        assert loose[number].description.value == said
    assert (strict[0].dtstart, strict[0].dtend) == (date(2023, 12, 7), date(2023, 12, 8))
    assert (loose[0].dtstart.value, loose[0].dtend.value) == (date(2023, 12, 7), date(2023, 12, 8))
    assert strict[1].dtstart == datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
    assert strict[1].dtend == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
    assert loose[1].dtstart.value == datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
    assert loose[1].dtend.value == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)


def test_the_feed_has_these_properties_and_no_others():
    calendar = rfc5545.read(feed(WATER))
    assert {item.name: item.value for item in calendar.properties} == {
        "PRODID": "-//Registration//Registration 1//EN",
        "VERSION": "2.0",
        "NAME": "Discussions",
        "X-WR-CALNAME": "Discussions",
        "COLOR": "darkslateblue",
        "REFRESH-INTERVAL": "PT1H",
        "X-PUBLISHED-TTL": "PT1H",
        "SOURCE": "https://events.example.org/discussions.ics",
        "URL": "https://events.example.org/",
    }
    assert calendar["REFRESH-INTERVAL"].parameters == {"VALUE": "DURATION"}
    assert calendar["SOURCE"].parameters == {"VALUE": "URI"}
    assert [item.name for item in calendar.components] == ["VEVENT"]


def test_a_file_has_no_name_of_its_own():
    calendar = rfc5545.read(public.file(WATER, LINKS))
    assert calendar.names == {"PRODID", "VERSION"}
    assert calendar.event["UID"].text == WATER.uid


def test_an_entry_has_these_properties_and_no_others(first):
    names = {
        "UID", "DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE", "DTSTART", "DTEND", "SUMMARY",
        "DESCRIPTION", "CATEGORIES", "STATUS", "URL", "LINK",
    }  # fmt: skip
    one, other = rfc5545.read(feed(first, WATER)).events
    assert one.names == names | {"TRANSP"}
    assert other.names == names


@pytest.mark.parametrize("write", [feed, lambda item: public.file(item, LINKS)])
def test_nobody_reads_the_join_link_or_the_organizers_address_in_public(write):
    found = builders.unsaved_discussion(builders.file('join_url = "https://meet.example/secret"'))
    content = b"".join(line.encode() for line in rfc5545.unfolded(write(found)))
    for private in (b"meet.example", b"secret", b"events@example.org", b"METHOD", b"ATTENDEE"):
        assert private not in content


def test_the_stamp_is_when_the_discussion_last_changed():
    changed = datetime(2026, 3, 9, 8, 7, 6, 500_000, tzinfo=UTC)
    event = rfc5545.read(feed(builders.unsaved_discussion(changed_at=changed, sequence=3))).event
    assert event["DTSTAMP"].value == event["LAST-MODIFIED"].value == "20260309T080706Z"
    assert event["CREATED"].value == "20260302T120000Z"
    assert event["SEQUENCE"].value == "3"


def test_a_whole_day_has_dates_an_exclusive_end_and_takes_no_time(first):
    event = rfc5545.read(feed(first)).event
    assert (event["DTSTART"].parameters, event["DTSTART"].value) == ({"VALUE": "DATE"}, "20231207")
    assert (event["DTEND"].parameters, event["DTEND"].value) == ({"VALUE": "DATE"}, "20231208")
    assert event["TRANSP"].value == "TRANSPARENT"


@pytest.mark.parametrize(
    ("day", "starts", "ends", "words"),
    [
        (
            "2024-02-28",
            "20240228T090000Z",
            "20240228T103000Z",
            "Wednesday, 28 February 2024, 15:00-16:30 UTC+6 (Asia/Almaty); 09:00-10:30 UTC",
        ),
        (
            "2024-03-05",
            "20240305T100000Z",
            "20240305T113000Z",
            "Tuesday, 5 March 2024, 15:00-16:30 UTC+5 (Asia/Almaty); 10:00-11:30 UTC",
        ),
    ],
)
def test_almaty_is_right_before_and_after_its_change_of_march_2024(day, starts, ends, words):
    found = builders.unsaved_discussion(
        builders.file(f"starts = {day}T15:00:00\nends = {day}T16:30:00")
    )
    event = rfc5545.read(feed(found)).event
    assert (event["DTSTART"].parameters, event["DTSTART"].value) == ({}, starts)
    assert (event["DTEND"].parameters, event["DTEND"].value) == ({}, ends)
    assert words in event["DESCRIPTION"].text.replace("\N{EN DASH}", "-")


def test_the_description_has_everything_that_is_said(first):
    said = rfc5545.read(feed(first)).event["DESCRIPTION"].text
    content = first.content
    assert content.subtitle in said
    for block in content.description.split("\n\n"):
        assert block in said
    for person in content.contributors:
        assert f"{person.name}, {person.affiliation}" in said
        assert person.biography in said
    speakers, others = said.partition("SPEAKERS")[2].split("MODERATOR\n")
    named = [person.name for person in content.speakers]
    assert sorted(named, key=speakers.index) == named
    assert others.index("Karlygash Kabatova") < others.index("PARTNER\n")
    assert "PaperLab Research Center (co-sponsor, Astana, Kazakhstan)\nhttps://paperlab.kz" in said
    assert said.endswith("\n\nhttps://events.example.org/discussions/bloody-january")
    assert "<" not in said


def test_an_entry_links_to_its_page_its_recording_and_its_partners(first):
    recorded = replace(first.content, recording_url="https://video.example.org/1?a=b;c,d")
    event = rfc5545.read(feed(builders.unsaved_discussion(content=recorded))).event
    links = [(item.parameters["LINKREL"], item.parameters["VALUE"], item.value)
             for item in event.all("LINK")]  # fmt: skip
    assert links == [
        ("describedby", "URI", "https://events.example.org/discussions/water"),
        ("enclosure", "URI", "https://video.example.org/1?a=b;c,d"),
        ("related", "URI", "https://paperlab.kz"),
    ]
    assert event["URL"].value == "https://events.example.org/discussions/water"


def test_a_cancelled_discussion_stays_and_says_so():
    event = rfc5545.read(feed(builders.unsaved_discussion(cancelled_why="A strike."))).event
    assert event["STATUS"].value == "CANCELLED"
    assert rfc5545.read(feed(WATER)).event["STATUS"].value == "CONFIRMED"


def test_a_feed_of_nothing_is_legal():
    content = feed()
    (zone,) = rfc5545.read(content).components
    assert zone.name == "VTIMEZONE"
    assert strictly(content).events == []
    assert vobject.readOne(io.StringIO(content.decode())).name == "VCALENDAR"


def test_the_same_discussions_give_the_same_bytes(first):
    again = builders.unsaved_discussion(builders.FIRST.read_bytes())
    assert feed(first, WATER) == feed(again, builders.unsaved_discussion())


@given(TITLES.map("".join))
@example('Water, rivers; and \\N or \\n and \\\\n, “said” "she"')
@example("👩🏽‍🔬 ещё раз: å ö نص " * 12)
@settings(max_examples=60, deadline=None)
def test_any_title_is_read_back_as_it_was_written(title):
    content = feed(titled(title))
    assert rfc5545.read(content).event["SUMMARY"].text == title
    assert strictly(content).events[0].summary == title


@given(st.text(st.one_of(st.sampled_from("\n,;\\N&#13;*[]()`"), LETTERS)).map(paragraphs))
@example("a &#13;&#10;ATTENDEE:mailto:x@example.org &#12; &#8232; &#133; b")
@settings(max_examples=60, deadline=None)
def test_any_description_stays_within_its_line(text):
    found = builders.unsaved_discussion(content=replace(WATER.content, description=text))
    event = rfc5545.read(feed(found)).event
    assert event.names == rfc5545.read(feed(WATER)).event.names
    assert strictly(feed(found)).events[0].description == event["DESCRIPTION"].text


@pytest.mark.parametrize(
    "broken",
    [
        {"starts_local": None},
        {"content": replace(WATER.content, language="xx-yy-zz")},
        {"content": replace(WATER.content, recording_url="https://a.example/\r\nATTACH:x")},
    ],
)
def test_the_feed_leaves_out_and_logs_an_entry_it_cannot_write(broken, caplog):
    with caplog.at_level(logging.ERROR):
        calendar = rfc5545.read(feed(builders.unsaved_discussion(slug="broken", **broken), WATER))
    assert [item["UID"].text for item in calendar.events] == [WATER.uid]
    (record,) = caplog.records
    assert "The feed leaves out broken" in record.getMessage()


def test_a_moved_discussion_keeps_its_identity():
    moved = builders.unsaved_discussion(
        builders.file("starts = 2026-04-09T17:00:00\nends = 2026-04-09T18:00:00"),
        sequence=1,
        changed_at=WATER.changed_at + timedelta(days=1),
    )
    before, after = (rfc5545.read(feed(item)).event for item in (WATER, moved))
    assert before["UID"].value == after["UID"].value
    assert (before["SEQUENCE"].value, after["SEQUENCE"].value) == ("0", "1")
    assert after["DTSTART"].value == "20260409T120000Z"
