"""A file that was written is read back as the same announcement; so is what stands in a form."""

import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from registration.discussion_file import DiscussionFileRefused, announce, form_values, read
from registration.discussion_file.writer import write
from registration.models import Announcement

from ..builders import FIRST
from ..fuzzing import announcements, texts
from .test_reader import FULL

TIMES = st.sampled_from(
    [
        "date = 2026-04-02",
        'date = 2026-04-02\nzone = "Asia/Almaty"',
        'starts = 2026-04-02T17:00:00\nends = 2026-04-02T18:30:00\nzone = "Asia/Almaty"',
        'starts = 2026-10-25T00:00:30\nends = 2026-10-25T09:00:00.5\nzone = "Europe/Berlin"',
    ]
)
RULES = st.sampled_from(
    [
        "",
        'registration = "open"',
        'registration = "closed"',
        "registration = 2026-04-01T12:00:00Z",
        # It happens twice in Berlin that night.
        "registration = 2026-10-25T02:30:00+01:00",
        "registration = 2026-10-25T02:30:00.25+02:00",
    ]
)
MORE = st.fixed_dictionaries(
    {},
    optional={
        "seats": st.integers(1, 1_000_000),
        "address_confirmation": st.booleans(),
        "discreet": st.booleans(),
        "names": st.sampled_from(["required", "optional", "none"]),
        "reminders": st.sampled_from([[], ["2d"], ["1d", "1h", "5m"]]),
        "language": st.sampled_from(["en", "ru", "kk"]),
        "afterword": texts.visible(8),
        "join_url": st.just("https://meet.example.org/a?b=c"),
        "uid": st.just("a1b2c3d4@events.example.org"),
        "sharing": st.just([{"partner": "A", "what": ["email", "name"], "why": "To write."}]),
    },
)
KEYS = re.compile(r"^(?:\w+(?= = )|\[\[\w+\]\])", re.MULTILINE)
OPTIONS = [{"key": "q", "label": "Q", "kind": "choices", "options": ["a", "b"], "required": True}]


@st.composite
def announced(draw: st.DrawFn) -> Announcement:
    """Return announcements of any words, times and rules."""
    stated: dict[str, Any] = draw(announcements.files()) | draw(MORE)
    del stated["zone"], stated["registration"]
    stated |= tomllib.loads(f"{draw(TIMES)}\n{draw(RULES)}")
    stated["questions"] = [*stated.get("questions", []), *draw(st.sampled_from([[], OPTIONS]))]
    try:
        return announce(stated)
    except DiscussionFileRefused:
        reject()


@pytest.mark.parametrize("examples", [75, pytest.param(150, marks=pytest.mark.slow)])
def test_written_and_typed_announcements_are_read_back_unchanged(examples):
    @settings(max_examples=examples, deadline=None)
    @given(announced())
    def one(stated):
        assert read(write(stated).encode()) == stated
        values = form_values.to_file_values(
            form_values.from_announcement(stated), stated.slug, stated.uid
        )
        assert announce(values, is_typed=True) == stated
        again = form_values.from_announcement(announce(values))
        assert again == form_values.from_announcement(stated)

    one()


def test_a_file_is_written_in_the_usual_order_for_people_to_read():
    stated = read(FULL.encode())
    written = write(stated)
    assert KEYS.findall(written) == KEYS.findall(FULL)
    first = read(FIRST.read_bytes())
    assert 'description = """\n' in write(first)
    assert read(write(first).encode()) == first


def test_mistakes_in_forms_are_told_without_the_words_of_files():
    blank = form_values.empty_form() | {"contributors": [form_values.GROUPS["contributors"]]}
    try:
        announce(form_values.to_file_values(blank, "", None), is_typed=True)
    except DiscussionFileRefused as refusal:
        said = {item.key: item.sentence for item in refusal.found}
    assert said["title"] == "is missing; it must be one line of text."
    assert said["contributors[1].name"] == "is missing; it must be one line of text."
    assert "in quotes" not in "".join(said.values())
