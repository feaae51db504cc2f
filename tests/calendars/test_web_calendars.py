"""The links to Google's and Microsoft's calendars lead to the same day and the same instants."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from registration.calendars import web_calendars
from registration.links import Links, webcal

from .. import builders

LINKS = Links("https://events.example.org")
TITLE = "Q&A: 50% = half? #1 + «Вода» 👩🏽‍🔬"


def opened(address: str) -> tuple[str, dict[str, str]]:
    """Return where a link leads, and the fields it fills in."""
    parts = urlsplit(address)
    fields = parse_qs(parts.query, strict_parsing=True, keep_blank_values=True)
    assert all(len(values) == 1 for values in fields.values())
    return f"{parts.scheme}://{parts.netloc}{parts.path}", {k: v for k, (v,) in fields.items()}


def test_google_gets_both_instants():
    found = builders.unsaved_discussion(builders.file(f'title = "{TITLE}"'))
    where, fields = opened(web_calendars.google(found, LINKS))
    starts, ends = fields.pop("dates").split("/")
    assert where == "https://calendar.google.com/calendar/render"
    assert fields == {
        "action": "TEMPLATE",
        "text": TITLE,
        "details": "https://events.example.org/discussions/water",
    }
    assert datetime.strptime(starts, "%Y%m%dT%H%M%S%z") == datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
    assert datetime.strptime(ends, "%Y%m%dT%H%M%S%z") == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)


def test_google_gets_a_whole_day_with_an_exclusive_end():
    found = builders.unsaved_discussion(builders.FIRST.read_bytes())
    assert opened(web_calendars.google(found, LINKS))[1]["dates"] == "20231207/20231208"


def test_outlook_gets_both_instants():
    found = builders.unsaved_discussion(builders.file(f'title = "{TITLE}"'))
    where, fields = opened(web_calendars.outlook(found, LINKS))
    assert where == "https://outlook.live.com/calendar/0/deeplink/compose"
    assert datetime.fromisoformat(fields.pop("startdt")) == found.starts_at
    assert datetime.fromisoformat(fields.pop("enddt")) == found.ends_at
    assert fields == {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": TITLE,
        "body": "https://events.example.org/discussions/water",
        "allday": "false",
    }


def test_outlook_gets_a_whole_day_with_an_exclusive_end():
    fields = opened(
        web_calendars.outlook(builders.unsaved_discussion(builders.FIRST.read_bytes()), LINKS)
    )[1]
    assert date.fromisoformat(fields["startdt"]) == date(2023, 12, 7)
    assert date.fromisoformat(fields["enddt"]) == date(2023, 12, 8)
    assert fields["allday"] == "true"


@pytest.mark.parametrize("write", [web_calendars.google, web_calendars.outlook])
def test_neither_gets_the_join_link(write):
    found = builders.unsaved_discussion(builders.file('join_url = "https://meet.example/secret"'))
    assert "meet.example" not in write(found, LINKS)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "https://events.example.org/discussions.ics",
            "webcal://events.example.org/discussions.ics",
        ),
        ("http://127.0.0.1:8000/discussions.ics", "webcal://127.0.0.1:8000/discussions.ics"),
    ],
)
def test_webcal_changes_the_scheme_alone(address, expected):
    assert webcal(address) == expected
