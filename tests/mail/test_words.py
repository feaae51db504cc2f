"""Every word of a letter of any kind is translatable, in its subject, its text and its HTML."""

from typing import Any

import pytest

from registration.models import (
    DiscussionStatus,
    Essentials,
    LetterKind,
    RegistrationStatus,
    When,
    Wording,
)

from .. import builders
from ..marked import NAMES, SU, untranslated, untranslated_of_page
from .conftest import KINDS, Write, bodies

pytestmark = pytest.mark.usefixtures("marked")

# The site of `paper`, and what an organizer wrote.
WRITTEN = f"{NAMES} Wednesday talks Our group They agreed to meet again"
WORDING = Wording("mailing-id", "{{ title }}", "{{ name }}: {{ time }}, {{ page }}")


def left_over(letter: Any) -> list[str]:
    text, html = bodies(letter)
    return [
        *untranslated(letter["Subject"], WRITTEN),
        *untranslated(text, WRITTEN),
        *untranslated_of_page(html, WRITTEN),
    ]


@pytest.mark.parametrize("changes", ["", "discreet = true\n", "address_confirmation = false\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_letter_is_translatable(write: Write, kind: LetterKind, changes: str):
    letter = write(kind, builders.unsaved_discussion(changes.encode() + SU), wording=WORDING)
    assert "⟦" in letter["Subject"] + bodies(letter)[0]
    assert left_over(letter) == []


@pytest.mark.parametrize("status", [RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING])
@pytest.mark.parametrize(
    ("was_cancelled", "is_cancelled"), [(False, False), (False, True), (True, False)]
)
def test_every_word_of_a_change_is_translatable(
    write: Write, clock: Any, was_cancelled: bool, is_cancelled: bool, status: RegistrationStatus
):
    found = builders.unsaved_discussion(SU)
    if is_cancelled:
        found.status, found.cancelled_why = DiscussionStatus.CANCELLED, "Жоқ."
    before = When.day(clock.now.date(), "Asia/Almaty")
    told = Essentials(before, was_cancelled, "https://meet.example.org/old")
    letter = write(LetterKind.CHANGE, found, status=status, told=told)
    assert left_over(letter) == []


def test_a_word_that_is_not_translated_is_found():
    page = '<p title="⟦One⟧ two">⟦Three⟧ төрт four<input type="submit" value="Five">'
    assert untranslated_of_page(page) == ["four", "two", "Five"]
