"""The service that hostile inputs are tried on: in this process, on a database of its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from flask import Flask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from registration import create_app, database
from registration.database import reading, writing
from registration.models import BucketLevel, Discussion, Erasure, Letter, Registration, Revision
from registration.worker import letter_content

from .. import builders
from ..conftest import Clock, install
from ..visitor import Browser, form_of, tree_of
from .readers import FORMATS, ServerFault, words_in
from .readers import letter as read_letter

FORM = "/discussions/water/register"
SETTINGS = {
    "CONTACT": "hosts@example.org",
    "FORMS_AN_HOUR": 1_000_000,
    "LETTERS_AN_HOUR": 1_000_000,
}
_OPEN = """
registration = "open"
address_confirmation = false
subtitle = "After the Aral Sea"
summary = "One sentence."
recording_url = "https://example.org/r"
"""
# Every kind of question, and partners: all that a page can have.
WATER = (
    builders.with_questions(_OPEN)
    + b"""
[[contributors]]
role = "moderator"
name = "Timur"
url = "https://example.org"

[[partners]]
role = "co-sponsor"
name = "Water Fund"
place = "Astana"
url = "https://example.org"
"""
)
FREE = ("name", "affiliation", "question_city", "question_ask")
GOOD = {"name": "Aigerim", "email": "aigerim@example.org"} | builders.ANSWERS


class Service:
    """An app in which one discussion is published, and somebody with a browser."""

    def __init__(self, app: Flask, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.client = Browser(app, app.response_class)

    def get(self, path: str) -> str:
        """Return a page that must be there."""
        return self.answered(self.client.get(path), {200}).text

    def answered(self, answer: TestResponse, wanted: set[int]) -> TestResponse:
        """Return an answer, or raise `ServerFault` if its status is none of those wanted."""
        if answer.status_code not in wanted:
            raise ServerFault(f"{answer.request.path!r} answers {answer.status}")
        return answer

    @cached_property
    def hidden(self) -> dict[str, str]:
        """The fields of the discussion's form that nobody types; the form was open for a while."""
        values = form_of(self.get(FORM))[1]
        self.clock.advance(seconds=10)
        return {name: values[name] for name in ("csrf_token", "opened", "asked")}

    @cached_property
    def known(self) -> set[tuple[str, str]]:
        """Every tag and attribute that pages have by themselves."""
        typed = self.hidden | GOOD | {"affiliation": "a", "question_topics": "Law"}
        self.answered(self.client.post(FORM, data=typed | {"sharing_0": "y"}), {303})
        own = f"/registrations/{builders.attendee().token}"
        paths = ["/", "/discussions/water", "/discussions/water/registered", FORM, own, "/nothing",
                 "/privacy", "/registrations/find", "/registrations/sent", "/registrations/erased",
                 "/letters/"]  # fmt: skip
        pages = [self.client.get(path).text for path in paths]
        pages += [self.client.post(path).text for path in (FORM, "/registrations/find")]
        wrong = dict.fromkeys([*typed, *FREE, "website"], "\0") | self.hidden
        sent = typed | wrong
        pages += [self.client.post(path, data=sent).text for path in (FORM, f"{own}/change")]
        self.forget_people()
        return FORMATS.union(*(words_in(tree_of(page)) for page in pages))

    @cached_property
    def known_in_letters(self) -> set[tuple[str, str]]:
        """Every tag and attribute that letters have by themselves."""
        builders.register_and_confirm()
        bodies = [read_letter(it).get_body(("html",)) for it in self.letters()]
        self.forget_people()
        return FORMATS.union(*(words_in(tree_of(body.get_content())) for body in bodies))

    def letters(self) -> list[bytes]:
        """Return every letter owed, as it would go over the wire."""
        with reading() as tx:
            owed = tx.query(Letter).order_by(Letter.id).all()
            found = [letter_content.compose(tx, one) for one in owed]
        return [one.message.as_bytes() for one in found if one]

    def forget_people(self) -> None:
        """Take everybody off again."""
        with writing() as tx:
            for model in (Letter, Registration, BucketLevel, Erasure):
                tx.execute(delete(model))

    def forget(self, slug: str) -> None:
        """Take a discussion off, as if it had never been announced."""
        with writing() as tx:
            found = tx.query(Discussion).filter_by(slug=slug).one_or_none()
            if found:
                tx.execute(delete(Revision).where(Revision.discussion_id == found.id))
                tx.delete(found)


class _Log(logging.Handler):
    """Keeps the log of the service."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Install and run the service in `folder`, with one discussion, `water`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    clock = Clock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    app = create_app(SETTINGS | {"INSTANCE": str(folder)}, clock=clock)
    app.config["ANSWER_FLOOR"] = 0.0
    app.config["BOUND_TO_LOOPBACK"] = True
    install(app)
    with app.app_context():
        builders.publish(WATER)
        yield Service(app, clock)
        database.engine().dispose()
