"""Builders: publish a discussion or register somebody in one line."""

import threading
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask

from registration.crypto.key_ring import KeyRing
from registration.database import Model, Transaction, reading, writing
from registration.discussion_file import read
from registration.mail import maildir
from registration.models import Attendee, Discussion, DiscussionStatus, Letter, Registration
from registration.services import catalog, registrations
from registration.services.discussions import cancellation, publication
from registration.services.registrations import confirmation, self_service, unconfirmed_forms
from registration.services.registrations.register import Entry
from registration.text import addresses
from registration.worker import loop

FIRST = Path(__file__).parent.parent / "instance" / "discussions" / "bloody-january.toml"

MINIMAL = """
slug = "water"
title = "Who owns the water?"
starts = 2026-04-02T17:00:00
ends = 2026-04-02T18:30:00
zone = "Asia/Almaty"
description = "About the Aral Sea."

[[contributors]]
role = "speaker"
name = "Saule Suleimenova"
position = "Hydrologist"
organization = "Institute of Geography"
biography = "Studies rivers."
"""


def file(changes: str = "", *, without: str = "") -> bytes:
    """Return a small discussion file: `changes` first, minus the lines that start `without`."""
    kept = [line for line in MINIMAL.splitlines() if not without or not line.startswith(without)]
    named = set(tomllib.loads(changes))
    kept = [line for line in kept if line.split(" = ")[0] not in named]
    return (changes + "\n" + "\n".join(kept)).encode()


def unsaved_discussion(source: bytes | None = None, **columns: Any) -> Discussion:
    """Return a discussion that is in no database, by default the small one."""
    announcement = read(source if source is not None else file())
    uid = announcement.uid or "a1b2c3d4@events.example.org"
    discussion = Discussion(slug=announcement.slug, uid=uid)
    discussion.status, discussion.sequence, discussion.version = DiscussionStatus.PUBLISHED, 0, 1
    now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    discussion.published_at = discussion.changed_at = discussion.time_set_at = now
    discussion.organizer_address = "Our group <events@example.org>"
    discussion.announcement = announcement
    for name, value in columns.items():
        setattr(discussion, name, value)
    return discussion


QUESTIONS = """
[[questions]]
key = "city"
label = "Which city?"
kind = "line"
required = true

[[questions]]
key = "ask"
label = "What would you ask?"
kind = "long"
why = "The moderator reads it out."

[[questions]]
key = "seat"
label = "Where do you sit?"
kind = "choice"
options = ["Front", "Back"]
required = true

[[questions]]
key = "topics"
label = "Which topics?"
kind = "choices"
options = ["Rivers", "Lakes & seas", "Law"]

[[questions]]
key = "rules"
label = "I keep to the rules."
kind = "yes"
required = true

[[sharing]]
partner = "PaperLab"
what = ["name", "email"]
why = "To invite you to its own talks."

[[sharing]]
partner = "Aral Fund"
what = ["name"]
why = "To count."
"""
AGREED = {
    "partner": "PaperLab",
    "what": ["name", "email"],
    "why": "To invite you to its own talks.",
}
ANSWERS = {"question_city": "Almaty", "question_seat": "Back", "question_rules": "y"}


def with_questions(changes: str = "") -> bytes:
    """Return a file with a question of each kind, and two partners who ask for data.

    `ANSWERS` are fields that answer what is required.
    """
    return file(changes) + QUESTIONS.encode()


def publish(content: bytes | None = None) -> Discussion:
    """Publish a discussion, by default the small one, in the running app."""
    announcement = read(content if content is not None else file())
    with writing() as tx:
        publication.publish(tx, announcement)
    with reading() as tx:
        return catalog.find(tx, announcement.slug)


def cancel(slug: str = "water", why: str = "A strike.") -> None:
    """Cancel a discussion, by default the small one."""
    with writing() as tx:
        cancellation.cancel(tx, slug, why)


def publish_first() -> Discussion:
    """Publish the first discussion, the one of 7 December 2023."""
    return publish(FIRST.read_bytes())


def entry(address: str = "aigerim@example.org", name: str = "Айгерим", **values: Any) -> Entry:
    """Return an entry of the form, by default Aigerim's."""
    return Entry(name=name, address=addresses.parse(address), **values)


def ring() -> KeyRing:
    """Return the key ring of the running app."""
    with reading() as tx:
        return tx.keys


def register(slug: str = "water", address: str = "aigerim@example.org", **values: Any) -> None:
    """Register somebody, by default Aigerim, unconfirmed."""
    with writing() as tx:
        registrations.register.register(tx, slug, entry(address, **values))


def attendee(address: str = "aigerim@example.org", slug: str = "water") -> Attendee:
    """Return the unsealed personal data of a registration."""
    return registration_of(address, slug).attendee(ring())


def registration_of(address: str = "aigerim@example.org", slug: str = "water") -> Registration:
    """Return a registration by its address, or fail."""
    with reading() as tx:
        for registration in tx.query(Registration):
            discussion = tx.get_one(Discussion, registration.discussion_id)
            if discussion.slug != slug:
                continue
            if registration.attendee(tx.keys).address == address:
                return registration
    raise AssertionError(f"{address} is not registered")


def confirm(address: str = "aigerim@example.org", slug: str = "water") -> Attendee:
    """Confirm the newest form of an address, as the button does, and return the unsealed
    personal data."""
    press(link_tokens(address, slug)[-1])
    return attendee(address, slug)


def seen(token: str) -> str:
    """Return the digest that the buttons of an own page carry now."""
    with reading() as tx:
        return confirmation.digest(tx, confirmation.open_link(tx, token))


def press(token: str) -> None:
    """Confirm what the link with `token` shows, as somebody does who looks and presses."""
    digest = seen(token)
    with writing() as tx:
        confirmation.confirm(tx, token, digest)


def press_new_address(tx: Transaction, signed: str) -> str:
    """Confirm a new address, as somebody does who looks and presses at once; return the token."""
    registration, _attendee = self_service.by_new_address(tx, signed)
    discussion = tx.get_one(Discussion, registration.discussion_id)
    seen = self_service.digest_new_address(tx, registration, discussion)
    return self_service.confirm_new_address(tx, signed, seen)


def link_tokens(address: str = "aigerim@example.org", slug: str = "water") -> list[str]:
    """Return the tokens of the links that letters to an unconfirmed address have, oldest first."""
    registration = registration_of(address, slug)
    with reading() as tx:
        forms = unconfirmed_forms.of(tx, registration)
        newer = [form.text(tx.keys).token for form in reversed(forms)]
    return [attendee(address, slug).token, *newer]


def register_and_confirm(
    address: str = "aigerim@example.org", slug: str = "water", **values: Any
) -> Attendee:
    """Register somebody who confirms at once."""
    register(slug, address, **values)
    return confirm(address, slug)


def deliver() -> int:
    """Deliver every letter that is due."""
    return loop.deliver_due()


def kept_letters(app: Flask) -> list:
    """Return the letters in the local Maildir, parsed, in the order they were sent."""
    from email import message_from_bytes
    from email.policy import SMTP

    folder = app.extensions["settings"].mail.folder
    keys = reversed(maildir.newest_first(folder))
    box = maildir.folder_at(folder)
    return [message_from_bytes(box.get_bytes(key), policy=SMTP) for key in keys]


def count_registrations() -> int:
    """Return how many registrations there are, of every status."""
    with reading() as tx:
        return tx.query(Registration).count()


def letter_kinds() -> list[str]:
    """Return the kinds of all letters in the outbox, oldest first."""
    with reading() as tx:
        return [letter.kind.value for letter in tx.query(Letter).order_by(Letter.id)]


def every_row() -> dict[str, list[str]]:
    """Return all rows of all tables, to compare before and after."""
    with reading() as tx:
        tables = Model.metadata.sorted_tables
        return {table.name: sorted(map(repr, tx.execute(table.select()))) for table in tables}


def at_once(app: Flask, acts: Sequence[Callable[..., object]], threads: int | None = None) -> list:
    """Start every act at the same moment in a thread of its own; return their results.

    With `threads`, only so many are done at a time, as a server with so many threads does.
    """
    at_a_time = threads or len(acts)
    start = threading.Barrier(at_a_time)

    def do(number: int) -> object:
        with app.app_context():
            if number < at_a_time:
                start.wait()
            return acts[number]()

    with ThreadPoolExecutor(at_a_time) as pool:
        return list(pool.map(do, range(len(acts))))
