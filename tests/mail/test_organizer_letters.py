"""Letters to organizers about their own account: their words, and words they must not have."""

import re
from collections.abc import Callable
from email.message import EmailMessage

import html5lib
import pytest
from flask import Flask

from registration import app_context
from registration.mail import organizer_letters
from registration.models import TO_ORGANIZERS, Identity, Letter, LetterKind

from ..desk import ASEL
from ..marked import NAMES, untranslated, untranslated_of_page
from ..visitor import text_of
from .conftest import RING, bodies, received

KINDS = sorted(TO_ORGANIZERS)
SUBJECTS = {
    LetterKind.PASSWORD_CHANGED: "Your password was changed",
    LetterKind.SIGN_IN_SET_UP: "Your account was set up",
    LetterKind.SIGN_IN_RESET: "Your sign-in was reset",
}
WriteTo = Callable[[LetterKind], EmailMessage]


@pytest.fixture
def write_to(paper: Flask, clock) -> WriteTo:
    """A function that writes a letter of a kind two hours after the change."""

    def write_to(kind: LetterKind) -> EmailMessage:
        posted = app_context.now()
        letter = Letter(id=1, kind=kind, public_id="5f2a", posted_at=posted)
        clock.advance(hours=2)
        identity, settings = Identity("public-id", ASEL), app_context.settings()
        return organizer_letters.compose(
            letter, identity, ring=RING, settings=settings, now=clock.now
        )

    return write_to


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_changed_when_and_what_to_do(write_to, kind):
    message = received(write_to(kind))
    assert (message["To"], message["Subject"]) == (ASEL, SUBJECTS[kind])
    assert message["Reply-To"] == "hosts@example.org"
    text, html = bodies(message)
    for shown in (" ".join(text.split()), text_of(html)):
        assert "on 2 March 2026, 12:00 UTC" in shown
        assert "administrator" in shown
        assert "Our address: hosts@example.org" in shown
        assert "type this address into your browser: events.example.org/organizer/" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_have_the_same_sentences(write_to, kind):
    text, html = bodies(write_to(kind))
    assert " ".join(text.split()) == text_of(html)


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_no_link_and_asks_nothing_of_the_network(write_to, kind):
    text, html = bodies(write_to(kind))
    parser = html5lib.HTMLParser(namespaceHTMLElements=False, strict=True)
    tree = parser.parse(html)
    linking = {"a", "img", "link", "script", "iframe", "form", "object", "embed"}
    assert linking & {element.tag for element in tree.iter()} == set()
    assert "://" not in text + html
    assert not re.search(r"url\s*\(|@import", html)


@pytest.mark.parametrize("kind", KINDS)
def test_it_names_neither_the_site_nor_any_secret(write_to, kind):
    message = write_to(kind)
    assert message["From"] == "events@example.org"
    said = message.as_string()
    for word in ("Wednesday", "Our group", "public-id", "discussion", "organizer@"):
        assert word not in said


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_it_is_translatable(write_to, kind):
    message = write_to(kind)
    text, html = bodies(message)
    written = f"{NAMES} {ASEL} hosts@example.org events.example.org/organizer/"
    assert untranslated(message["Subject"]) == []
    assert untranslated(text, written) == []
    assert untranslated_of_page(html, written) == []
