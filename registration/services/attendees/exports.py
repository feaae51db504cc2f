"""Exports attendees as CSV (RFC 4180, UTF-8 with BOM), with cells that no spreadsheet runs.

Rows are read in short steps, each in a transaction of its own, so that neither memory nor the time
of a lock grows with their number.
"""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select

from ...crypto.key_ring import KeyRing
from ...database import Transaction
from ...database.paging import Opening, pages_apart
from ...models import (
    REGISTERED,
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
from ...refusals import OperatorRefusal
from ..catalog import find
from .cell_guard import escape_cell
from .queries import last_letter_state

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
# The columns that can be shared with a partner.
SHAREABLE_COLUMNS = ("name", "email", "affiliation")
ROWS_A_STEP = 1000
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class NoSuchColumn(OperatorRefusal):
    """The export has no column of that name."""


def header(tx: Transaction, slug: str, chosen: Sequence[str] | None = None) -> list[str]:
    """Return the names of the columns of a discussion's export, or `chosen` if it has all of them.

    Raises `NoSuchDiscussion`, `NoSuchColumn`.
    """
    asked = (question.key for question in questions(tx, find(tx, slug)))
    names = [*COLUMNS, *asked]
    for name in chosen or []:
        if name not in names:
            raise NoSuchColumn(f"There is no column {name}; there are {', '.join(names)}.")
    return list(chosen or names)


def questions(tx: Transaction, discussion: Discussion) -> list[Question]:
    """Return the questions of a discussion, then those of its earlier revisions.

    Each is as last asked, with every option it ever had.
    """
    asked: dict[str, Question] = {}
    for content in _contents(tx, discussion):
        for question in content.questions:
            last = asked.setdefault(question.key, question)
            options = list(dict.fromkeys([*last.options, *question.options]))
            asked[question.key] = replace(last, options=options)
    return list(asked.values())


def partners(tx: Transaction, slug: str) -> list[str]:
    """Return the names of the partners that a discussion shares with. Raises `NoSuchDiscussion`."""
    return [item.partner for item in find(tx, slug).content.sharing]


def shared_columns(tx: Transaction, slug: str, partner: str) -> list[str]:
    """Return the columns that attendees were ever asked to share with a partner."""
    asked = {
        name
        for content in _contents(tx, find(tx, slug))
        for item in content.sharing
        if item.partner == partner
        for name in item.what
    }
    return [name for name in SHAREABLE_COLUMNS if name in asked]


def _contents(tx: Transaction, discussion: Discussion) -> Iterator[Content]:
    """Return the content of every revision of a discussion, the newest first."""
    snapshots = tx.scalars(
        select(Revision.snapshot)
        .where(Revision.discussion_id == discussion.id)
        .order_by(Revision.number.desc())
    )
    return (content_from_json(snapshot["content"]) for snapshot in snapshots)


def attendees(
    reading: Opening,
    slug: str,
    until: tuple[int, datetime] | None = None,
    *,
    states: Collection[RegistrationStatus] = tuple(RegistrationStatus),
    partner: str | None = None,
) -> Iterator[dict[str, str]]:
    """Yield the columns by name of each registration with one of `states`, in order of arrival.

    `until` is the highest id and the latest time of registration to include: both, because SQLite
    may reuse the id of an erased registration. With `partner`, only confirmed and waiting attendees
    who agreed to share something with it are included, with only the columns they agreed to.
    """
    with reading() as tx:
        which = _selected(tx, slug, REGISTERED if partner else states)
    if until is not None:
        last_id, at = until
        which = and_(which, Registration.id <= last_id, Registration.registered_at <= at)
    columns: Any = Registration.__table__.columns
    wanted = select(*columns, Registration.status, last_letter_state().label("letter_state"))
    for rows, keys in pages_apart(reading, wanted.where(which), Registration.id, ROWS_A_STEP):
        for row in rows:
            if partner is None:
                yield _columns(row, keys)
            elif shared_columns := _shared(row, keys, partner):
                yield shared_columns


def csv_lines(
    rows: Iterator[dict[str, str]], names: Sequence[str], separator: str = ","
) -> Iterator[str]:
    """Yield the CSV line by line, each with CRLF; the first has the BOM and the header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\r\n")
    body = ([escape_cell(row.get(name, "")) for name in names] for row in rows)
    start = BOM
    for cells in chain([names], body):
        writer.writerow(cells)
        yield start + buffer.getvalue()
        start = ""
        buffer.seek(0)
        buffer.truncate()


def count(tx: Transaction, slug: str, states: Collection[RegistrationStatus]) -> int:
    """Return how many registrations have one of `states`. Raises `NoSuchDiscussion`."""
    which = _selected(tx, slug, states)
    return tx.scalars(select(func.count(Registration.id)).where(which)).one()


def _selected(
    tx: Transaction, slug: str, states: Collection[RegistrationStatus]
) -> ColumnElement[bool]:
    of_it = Registration.discussion_id == find(tx, slug).id
    return and_(of_it, Registration.status.in_(states))


def _columns(row: Row[Any], ring: KeyRing) -> dict[str, str]:
    attendee = Attendee.unsealed(row.sealed, row.public_id, ring)
    values = {key: _answer(answer) for key, answer in attendee.answers.items()}
    values |= {
        "shared_with": "; ".join(item["partner"] for item in attendee.shared_with),
        "registered_at": _iso(row.registered_at),
        "status": row.status.value,
        "name": attendee.name,
        "email": attendee.address,
        "affiliation": attendee.affiliation,
        "language": attendee.language,
        "confirmed_at": _iso(row.confirmed_at),
        "withdrawn_at": _iso(row.withdrawn_at),
        "attended": "yes" if row.attended_at else "",
        "letter_state": row.letter_state.value if row.letter_state else "",
    }
    return values


def _shared(row: Row[Any], ring: KeyRing, partner: str) -> dict[str, str]:
    """Return the columns that an attendee agreed to share with a partner."""
    columns = _columns(row, ring)
    agreed = Attendee.unsealed(row.sealed, row.public_id, ring).shared_with
    names = {name for item in agreed if item["partner"] == partner for name in item["what"]}
    return {name: columns[name] for name in SHAREABLE_COLUMNS if name in names}


def _answer(answer: Answer) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return answer if isinstance(answer, str) else "; ".join(answer)


def _iso(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
