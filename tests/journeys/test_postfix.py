"""One story with Postfix as the mail server: it receives the letters as they were meant."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask

from registration import create_app, database, outbox
from registration.database import reading, writing
from registration.models import LetterState
from registration.services.discussions import cancellation
from registration.worker import loop

from .. import builders
from ..calendars import rfc5545
from ..machine import on_sqlite
from ..postfix import Postfix, postfix
from ..visitor import Visitor

pytestmark = pytest.mark.slow

MOVED = "starts = 2026-04-03T18:00:00\nends = 2026-04-03T19:30:00"


@pytest.fixture(scope="module")
def running() -> Iterator[Postfix]:
    with postfix() as running:
        yield running


@pytest.fixture
def server(running: Postfix) -> Postfix:
    """Postfix with an empty mailbox."""
    running.empty()
    return running


@pytest.fixture
def app(instance, clock, server) -> Iterator[Flask]:
    app = create_app(instance | {"MAIL_URL": server.url}, clock=clock)
    with app.app_context():
        yield app
        database.engine().dispose()


@on_sqlite
def test_every_letter_from_form_to_cancellation_arrives_unchanged(app, clock, server):
    builders.publish()
    visitor = Visitor(app, clock)
    visitor.fill("/discussions/water/register", name="Айгерим Қ.", email="aigerim@example.org")
    assert loop.deliver_due() == 1
    (letter,) = server.letters(1)
    text = letter.get_body(("plain",)).get_content()
    link = next(line for line in text.splitlines() if "/registrations/" in line)
    visitor.press(urlsplit(link).path, "confirm")
    assert loop.deliver_due() == 1
    builders.publish(builders.file(MOVED))
    clock.advance(minutes=5)
    assert loop.deliver_due() == 1
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")
    clock.advance(minutes=5)
    assert loop.deliver_due() == 1
    letters = server.letters(4)
    assert [str(letter["Subject"]).partition(":")[0] for letter in letters] == [
        "Confirm your registration",
        "You are registered",
        "Changed",
        "Cancelled",
    ]
    with reading() as tx:
        host = tx.settings.host
        assert [it.message_id(tx.keys, host) for it in outbox.every(tx)] == [
            letter["Message-ID"] for letter in letters
        ]
    assert "Hello Айгерим Қ.," in letters[1].get_body(("plain",)).get_content()
    methods = []
    for letter in letters[1:]:
        alternative, attached = [
            part.get_payload(decode=True)
            for part in letter.walk()
            if part.get_content_type() in {"text/calendar", "application/ics"}
        ]
        assert alternative == attached
        methods.append(rfc5545.read(alternative)["METHOD"].text)
    assert methods == ["REQUEST", "REQUEST", "CANCEL"]


@on_sqlite
def test_an_address_that_postfix_refuses_is_told_and_blocks_no_other(app, server):
    builders.publish()
    builders.register(address="refused@elsewhere.example")
    builders.register(address="bolat@example.org")
    assert loop.deliver_due() == 1
    assert server.letters(1)[0]["To"] == "bolat@example.org"
    with reading() as tx:
        refused, taken = outbox.every(tx)
    assert refused.state is not LetterState.SENT
    assert "Relay access denied" in refused.server_answer
    assert "elsewhere" not in refused.server_answer
    assert taken.server_answer == "250 2.0.0"
