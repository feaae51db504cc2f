"""Exports attendees as CSV: RFC 4180, UTF-8 with BOM, nothing lost and nothing that runs.

Rows are read in short steps, each a session of its own, so that neither memory nor a lock grows
with them.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, func, or_, select

from ...crypto.key_ring import KeyRing
from ...database import Transaction
from ...models import (
    Answer,
    Attendee,
    Content,
    Discussion,
    Question,
    Registration,
    RegistrationStatus,
    Revision,
)
from ...models.content import content_from_json
from ...refusals import Refusal
from ..catalog import find
from .queries import last_letter, stands

COLUMNS = (
    "registered_at",
    "status",
    "name",
    "email",
    "affiliation",
    "language",
    "confirmed_at",
    "withdrawn_at",
    "attended",
    "letter_state",
)
# What can be shared with a partner, and of whom: those who come.
SHARED = ("name", "email", "affiliation")
SHARING = (RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING)
STEP = 1000
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

# What a spreadsheet would run or swallow at the beginning of a cell (full-width forms too), and
# the sign that makes it text. The sign itself is doubled, so that it can be undone exactly.
_SIGN = "'"
_DANGEROUS = re.compile("[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20']")

Reading = Callable[[], AbstractContextManager[Transaction]]


class NoSuchColumn(Refusal):
    """The export has no column of that name."""


def guarded(text: str) -> str:
    """Return `text` so that a spreadsheet shows it and never runs it: `=1` becomes `'=1`."""
    return _SIGN + text if _DANGEROUS.match(text) else text


def unguarded(cell: str) -> str:
    """Return what `guarded` was given."""
    return cell.removeprefix(_SIGN)


def header(tx: Transaction, slug: str, chosen: Sequence[str] | None = None) -> list[str]:
    """Return the columns of a discussion's export, or those of `chosen`, if it has them.

    Raises `NoSuchDiscussion`, `NoSuchColumn`.
    """
    asked = (question.key for question in questions(tx, find(tx, slug)))
    names = [*COLUMNS, *asked]
    for name in chosen or []:
        if name not in names:
            raise NoSuchColumn(f"There is no column {name}; there are {', '.join(names)}.")
    return list(chosen or names)


def questions(tx: Transaction, discussion: Discussion) -> list[Question]:
    """Return all questions, then those asked once: their answers are held too. Each is as last
    asked, with every choice it ever had."""
    asked: dict[str, Question] = {}
    for content in _contents(tx, discussion):
        for question in content.questions:
            last = asked.setdefault(question.key, question)
            options = list(dict.fromkeys([*last.options, *question.options]))
            asked[question.key] = replace(last, options=options)
    return list(asked.values())


def partners(tx: Transaction, slug: str) -> list[str]:
    """Return the partners that a discussion asks to share with. Raises `NoSuchDiscussion`."""
    return [item.partner for item in find(tx, slug).content.sharing]


def shared(tx: Transaction, slug: str, partner: str) -> list[str]:
    """Return the columns that attendees have ever been asked to share with a partner."""
    asked = {
        name
        for content in _contents(tx, find(tx, slug))
        for item in content.sharing
        if item.partner == partner
        for name in item.what
    }
    return [name for name in SHARED if name in asked]


def _contents(tx: Transaction, discussion: Discussion) -> Iterator[Content]:
    """Return all that a discussion has said, the last first."""
    snapshots = tx.scalars(
        select(Revision.snapshot)
        .where(Revision.discussion_id == discussion.id)
        .order_by(Revision.number.desc())
    )
    return (content_from_json(snapshot["content"]) for snapshot in snapshots)


def attendees(
    reading: Reading,
    slug: str,
    until: tuple[int, datetime] | None = None,
    *,
    states: Collection[RegistrationStatus] = tuple(RegistrationStatus),
    partner: str | None = None,
) -> Iterator[dict[str, str]]:
    """Return each registration of a discussion that stands in one of `states` as its columns by
    name, in order of arrival.

    With `until`, only those whose id is not above its first, and who came no later than its
    second: SQLite may give the id of somebody who was erased to the next one. With `partner`,
    only who comes and agreed to share something with it, and of them only that.
    """
    with reading() as tx:
        which = _which(tx, slug, SHARING if partner else states)
    if until is not None:
        last_id, at = until
        which = and_(which, Registration.id <= last_id, Registration.registered_at <= at)
    last = 0
    while True:
        with reading() as tx:
            rows, keys = _step(tx, which, last), tx.keys
        if not rows:
            return
        for row in rows:
            if partner is None:
                yield _columns(row, keys)
            elif shared := _shared(row, keys, partner):
                yield shared
        last = rows[-1].id


def lines(
    rows: Iterator[dict[str, str]], names: Sequence[str], separator: str = ","
) -> Iterator[str]:
    """Return the CSV line by line: BOM and header first, each with CRLF."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\r\n")
    body = ([guarded(row.get(name, "")) for name in names] for row in rows)
    start = BOM
    for cells in chain([names], body):
        writer.writerow(cells)
        yield start + buffer.getvalue()
        start = ""
        buffer.seek(0)
        buffer.truncate()


def count(tx: Transaction, slug: str, states: Collection[RegistrationStatus]) -> int:
    """Return how many registrations stand in these states. Raises `NoSuchDiscussion`."""
    which = _which(tx, slug, states)
    return tx.scalars(select(func.count(Registration.id)).where(which)).one()


def _which(
    tx: Transaction, slug: str, states: Collection[RegistrationStatus]
) -> ColumnElement[bool]:
    of_it = Registration.discussion_id == find(tx, slug).id
    return and_(of_it, or_(false(), *(stands(status) for status in states)))


def _step(tx: Transaction, which: ColumnElement[bool], last: int) -> Sequence[Row[Any]]:
    columns: Any = Registration.__table__.columns
    wanted = (
        select(*columns, last_letter().label("letter_state"))
        .where(which, Registration.id > last)
        .order_by(Registration.id)
        .limit(STEP)
    )
    rows: Sequence[Any] = tx.execute(wanted).all()
    return rows


def _columns(row: Row[Any], ring: KeyRing) -> dict[str, str]:
    attendee = Attendee.unsealed(row.sealed, row.public_id, ring)
    values = {key: _answer(answer) for key, answer in attendee.answers.items()}
    values |= {
        "shared_with": "; ".join(item["partner"] for item in attendee.shared_with),
        "registered_at": _iso(row.registered_at),
        "status": RegistrationStatus.of(row.confirmed_at, row.withdrawn_at, row.seated_at).value,
        "name": attendee.name,
        "email": attendee.address,
        "affiliation": attendee.affiliation,
        "language": row.language,
        "confirmed_at": _iso(row.confirmed_at),
        "withdrawn_at": _iso(row.withdrawn_at),
        "attended": "yes" if row.attended_at else "",
        "letter_state": row.letter_state.value if row.letter_state else "",
    }
    return values


def _shared(row: Row[Any], ring: KeyRing, partner: str) -> dict[str, str]:
    """Return what somebody agreed to share with a partner."""
    columns = _columns(row, ring)
    agreed = Attendee.unsealed(row.sealed, row.public_id, ring).shared_with
    names = {name for item in agreed if item["partner"] == partner for name in item["what"]}
    return {name: columns[name] for name in SHARED if name in names}


def _answer(answer: Answer) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return answer if isinstance(answer, str) else "; ".join(answer)


def _iso(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
