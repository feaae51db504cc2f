"""Fixtures of the tests of letters: an app that opens no database, and one written letter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from registration import app_context
from registration.crypto.key_ring import KeyRing
from registration.mail import letters
from registration.models import (
    TO_ORGANIZERS,
    Attendee,
    Discussion,
    Essentials,
    Letter,
    LetterKind,
    Registration,
    RegistrationStatus,
    Wording,
)

from .. import builders
from ..shared import SharedApp

RING = KeyRing({"test": bytes(32)}, "test")
TOKEN = "personal-token-of-the-attendee"

# Letters about a registration; test_organizer_letters is about the others.
KINDS = [kind for kind in LetterKind if kind not in TO_ORGANIZERS]
# The status of a registration for which a letter of this kind is true.
TRUE_AT = {
    LetterKind.ADDRESS_CONFIRMATION: RegistrationStatus.UNCONFIRMED,
    LetterKind.CONFIRMATION: RegistrationStatus.CONFIRMED,
    LetterKind.WAITING: RegistrationStatus.WAITING,
    LetterKind.ALREADY_REGISTERED: RegistrationStatus.CONFIRMED,
    LetterKind.LINK: RegistrationStatus.CONFIRMED,
    LetterKind.ADDRESS_CHANGE: RegistrationStatus.CONFIRMED,
    LetterKind.WITHDRAWAL: RegistrationStatus.WITHDRAWN,
    LetterKind.CHANGE: RegistrationStatus.CONFIRMED,
    LetterKind.SEAT: RegistrationStatus.CONFIRMED,
    LetterKind.REMINDER: RegistrationStatus.CONFIRMED,
    LetterKind.FOLLOW_UP: RegistrationStatus.CONFIRMED,
    LetterKind.MAILING: RegistrationStatus.CONFIRMED,
}
WORDING = Wording("mailing-id", "About {{ title }}", "Dear {{ name }},\n\nsee {{ page }}.")

# Letters that are sent only before a discussion takes place.
BEFORE = {LetterKind.CHANGE, LetterKind.REMINDER}

Write = Callable[..., EmailMessage | None]


@pytest.fixture(scope="session")
def shared_paper(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> SharedApp:
    settings = {
        "INSTANCE": str(tmp_path_factory.mktemp("paper") / "instance"),
        "PUBLIC_URL": "https://events.example.org",
        "MAIL_FROM": "Our group <events@example.org>",
        "CONTACT": "hosts@example.org",
        "SITE_NAME": "Wednesday talks",
    }
    return SharedApp(settings, compiled)


@pytest.fixture
def paper(shared_paper: SharedApp, clock: object) -> Iterator[Flask]:
    """An app that can write letters, and opens no database."""
    app = shared_paper.fresh(clock)
    with app.app_context():
        yield app


@pytest.fixture
def write(paper: Flask) -> Write:
    """A function that writes one letter of a kind, when that is true, or at another `status`."""

    def write(
        kind: LetterKind,
        discussion: Discussion | None = None,
        *,
        status: RegistrationStatus | None = None,
        language: str = "en",
        calendar_sequence: int = 0,
        told: Essentials | None = None,
        wording: Wording = WORDING,
        is_proved: bool = True,
        **personal: Any,
    ) -> EmailMessage | None:
        status = status or TRUE_AT[kind]
        discussion, now = discussion or builders.unsaved_discussion(), app_context.now()
        if kind in BEFORE:
            now = min(now, discussion.starts_at - timedelta(days=1))
        if kind is LetterKind.FOLLOW_UP:
            now = max(now, discussion.ends_at)
            discussion = _with_afterword(discussion)
        person = _attendee(kind, language=language, **personal)
        letter = Letter(id=1, kind=kind, public_id="5f2a")
        if kind is LetterKind.WITHDRAWAL:
            calendar_sequence = 1
        registered = _registration(status, person, calendar_sequence)
        registered.address_proved_at = registered.confirmed_at if is_proved else None
        return letters.compose(
            letter,
            registered,
            discussion,
            ring=RING,
            settings=app_context.settings(),
            now=now,
            place=3,
            told=told,
            wording=wording,
        )

    return write


def _with_afterword(discussion: Discussion) -> Discussion:
    stated = discussion.announcement
    content = replace(stated.content, afterword="They agreed to meet again.")
    discussion.announcement = replace(stated, content=content)
    return discussion


def _attendee(kind: LetterKind, **personal: Any) -> Attendee:
    values = {"name": "Айгерим", "address": "aigerim@example.org"}
    if kind is LetterKind.ADDRESS_CHANGE:
        values["new_address"] = "new@example.org"
    return Attendee("public-id", TOKEN, "calendar-token", **(values | personal))


def _registration(
    status: RegistrationStatus, person: Attendee, calendar_sequence: int
) -> Registration:
    now = app_context.now()
    found = Registration(public_id=person.public_id)
    found.calendar_sequence, found.queue_position = calendar_sequence, None
    found.erase_at = now + timedelta(days=62)
    found.wants_follow_up = True
    found.confirmed_at = None if status is RegistrationStatus.UNCONFIRMED else now
    found.withdrawn_at = now if status is RegistrationStatus.WITHDRAWN else None
    found.seated_at = now if status is RegistrationStatus.CONFIRMED else None
    found.seal(person, RING)
    return found


def received(message: EmailMessage) -> EmailMessage:
    """Return a letter as a mail program reads it from its bytes."""
    return message_from_bytes(message.as_bytes(), policy=default)


def bodies(message: EmailMessage) -> tuple[str, str]:
    """Return text and HTML as they were received."""
    found = received(message)
    text, html = found.get_body(("plain",)), found.get_body(("html",))
    return text.get_content(), html.get_content()
