"""Discreet letters: no letter, attachment or personal calendar contains a word that names the
discussion or its organizers."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from html import unescape

import pytest

from registration.calendars import personal
from registration.links import Links
from registration.models import Announcement, LetterKind

from .. import builders
from ..machine import on_sqlite
from ..visitor import text_of
from .conftest import KINDS, TRUE_AT, Write

LINKS = Links("https://events.example.org")
JOIN = 'join_url = "https://meet.example.org/room"\nrecording_url = "https://tube.example.org/v"\n'
# Words of the announcement that every letter has, whatever it is about.
EVERYBODYS = {"public", "with", "what", "from"}


def discreet():
    """Return the first discussion, of which nothing is to be told."""
    found = builders.unsaved_discussion(
        f"discreet = true\n{JOIN}".encode() + builders.FIRST.read_bytes()
    )
    found.organizer_address = "Our group <events@example.org>"
    return found


def telling_words(stated: Announcement) -> set[str]:
    """Return the longer words that name the discussion, its contributors and its organizers."""
    content = stated.content
    said = [content.title, content.subtitle, stated.slug, "Wednesday talks", "Our group"]
    for person in content.contributors:
        said += [person.name, person.position, person.organization, person.url]
    for partner in content.partners:
        said += [partner.name, partner.place, partner.url, partner.role]
    found = set(re.findall(r"\w{4,}", " ".join(filter(None, said)).casefold()))
    return found - {"https", "http"} - EVERYBODYS


def everything(message: EmailMessage) -> str:
    """Return headers and parts of a letter as they are read: decoded, unfolded, unescaped."""
    whole = message_from_bytes(message.as_bytes(policy=SMTP), policy=default)
    said = []
    for part in whole.walk():
        said += [f"{name}: {value}" for name, value in part.items()]
        if not part.is_multipart():
            said.append(unfolded(part.get_payload(decode=True)))
    return "\n".join(said)


def unfolded(content: bytes) -> str:
    return unescape(re.sub(r"\r\n[ \t]", "", content.decode()))


def assert_tells_nothing(said: str) -> None:
    words = set(re.findall(r"\w+", said.casefold()))
    telling = telling_words(discreet().announcement)
    assert len(telling) > 30
    assert telling & words == set()


def test_the_words_looked_for_stand_in_a_letter_that_is_not_discreet(write: Write):
    letter = write(
        LetterKind.CONFIRMATION, builders.unsaved_discussion(builders.FIRST.read_bytes())
    )
    words = set(re.findall(r"\w+", everything(letter).casefold()))
    assert telling_words(discreet().announcement) - words == set()


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_letter_tells_of_a_discreet_discussion(write: Write, kind: LetterKind, language: str):
    letter = write(kind, discreet(), language=language)
    said = everything(letter)
    assert_tells_nothing(said)
    for name in ("Wednesday", "Our group", "Айгерим"):
        assert name not in said
    assert letter["From"] == "events@example.org"
    assert set(TRUE_AT) == set(KINDS)


def test_letters_of_all_kinds_have_one_subject(write: Write):
    subjects = {write(kind, discreet())["Subject"] for kind in KINDS}
    assert subjects == {"Your registration"}


def test_neither_calendar_nor_cancellation_tells_of_it(write: Write, clock):
    found = discreet()
    guest = personal.Guest("aigerim@example.org", 1)
    for content in (
        personal.calendar(found, 1, LINKS, is_discreet=True),
        personal.request(found, guest, clock.now, LINKS, is_discreet=True),
        personal.cancellation(found, guest, clock.now, LINKS, is_discreet=True),
    ):
        said = unfolded(content)
        assert_tells_nothing(said)
        assert "SUMMARY:Online meeting" in said
        assert "tube.example.org" not in said
        assert "events.example.org/discussions" not in said


@on_sqlite
@pytest.mark.parametrize("is_discreet", [True, False])
def test_the_form_says_that_a_letter_is_evidence(app, visitor, is_discreet):
    builders.publish(builders.file(f"discreet = {str(is_discreet).lower()}"))
    said = text_of(visitor.get("/discussions/water/register").text)
    evidence = "A letter about this discussion is evidence to whoever can read your mail"
    assert evidence in said
    assert ("neither sender, subject nor calendar entry names it" in said) is is_discreet
