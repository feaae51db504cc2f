"""JSON-LD for search engines: complete, true, and unable to break out of its page."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from registration.calendars import jsonld
from registration.links import Links

from .. import builders
from ..machine import on_sqlite
from ..visitor import tree_of

LINKS = Links("https://events.example.org")
PAGE = "https://events.example.org/discussions/bloody-january"


def stated(page: str) -> dict:
    """Return the one JSON-LD object of a page, as an HTML parser finds it."""
    tree = tree_of(page)
    (found,) = [
        script for script in tree.iter("script") if script.get("type") == "application/ld+json"
    ]
    return json.loads(found.text)


def test_the_first_discussion_is_stated_whole():
    first = builders.unsaved_discussion(builders.FIRST.read_bytes())
    found = jsonld.event(first, LINKS)
    assert {name: found[name] for name in found if name not in {"performer", "contributor"}} == {
        "@context": "https://schema.org",
        "@type": "Event",
        "@id": PAGE,
        "url": PAGE,
        "identifier": first.uid,
        "name": first.content.title,
        "alternateName": "Protest Motivations, Public Perceptions and Human Rights",
        "description": first.content.summary,
        "inLanguage": "en",
        "startDate": "2023-12-07",
        "endDate": "2023-12-07",
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OnlineEventAttendanceMode",
        "location": {"@type": "VirtualLocation", "url": PAGE},
        "sponsor": [
            {
                "@type": "Organization",
                "name": "PaperLab Research Center",
                "url": "https://paperlab.kz",
                "address": {"@type": "PostalAddress", "addressLocality": "Astana, Kazakhstan"},
            }
        ],
    }
    assert [person["name"] for person in found["performer"]] == [
        "Aldiyar Auyezbek",
        "Kamila Kovyazina",
        "Serik Beissembayev",
        "Yevgeniy Zhovtis",
    ]
    assert found["performer"][3] == {
        "@type": "Person",
        "name": "Yevgeniy Zhovtis",
        "jobTitle": "Director",
        "affiliation": {
            "@type": "Organization",
            "name": "Kazakhstan International Bureau for Human Rights",
        },
        "url": "https://bureau.kz",
        "description": first.content.speakers[3].biography,
    }
    (moderator,) = found["contributor"]
    assert moderator["name"] == "Karlygash Kabatova"
    assert moderator["affiliation"]["name"] == "The George Washington University"


def test_times_are_stated_with_their_offset():
    water = builders.unsaved_discussion()
    found = jsonld.event(water, LINKS)
    assert (found["startDate"], found["endDate"]) == (
        "2026-04-02T17:00:00+05:00",
        "2026-04-02T18:30:00+05:00",
    )
    assert datetime.fromisoformat(found["startDate"]) == water.starts_at


def test_a_cancelled_discussion_is_stated_as_cancelled():
    found = jsonld.event(builders.unsaved_discussion(cancelled_why="A strike."), LINKS)
    assert found["eventStatus"] == "https://schema.org/EventCancelled"


def test_unknown_values_are_left_out():
    content = builders.unsaved_discussion().content
    bare = replace(content, contributors=[replace(content.contributors[0], biography="")])
    found = jsonld.event(builders.unsaved_discussion(content=bare), LINKS)
    assert found.keys().isdisjoint({"sponsor", "contributor", "recordedIn", "alternateName"})
    assert found["description"] == "About the Aral Sea."
    assert found["performer"][0].keys() == {"@type", "name", "jobTitle", "affiliation"}


def test_the_join_link_is_never_stated():
    private = builders.unsaved_discussion(builders.file('join_url = "https://meet.example/secret"'))
    assert "meet.example" not in json.dumps(jsonld.event(private, LINKS))


def test_a_recording_is_stated():
    recorded = builders.unsaved_discussion(
        builders.file('recording_url = "https://video.example.org/1"')
    )
    assert jsonld.event(recorded, LINKS)["recordedIn"]["url"] == "https://video.example.org/1"


@on_sqlite
@pytest.mark.parametrize(
    "title",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "a & b < c > d 'e' \"f\" \\ 👩🏽‍🔬",
        "]]>",
    ],
)
def test_no_title_breaks_out_of_its_page(app, visitor, title):
    builders.publish(builders.file(f"title = '''{title}'''"))
    page = visitor.get("/discussions/water").text
    assert stated(page)["name"] == title
    tree = tree_of(page)
    assert {script.get("type") for script in tree.iter("script")} == {
        "application/ld+json",
        "module",
    }
    assert tree.find(".//h1").text == title


@on_sqlite
def test_the_page_states_what_the_discussion_says(app, visitor):
    first = builders.publish_first()
    page = visitor.get("/discussions/bloody-january").text
    assert stated(page) == jsonld.event(first, Links("http://127.0.0.1:8000"))
