"""Adds the rows of a sheet: who is registered already stays as they are, and whose data was to be
erased by now stays outside."""

import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from .... import outbox
from ....config import Settings
from ....crypto.key_ring import KeyRing
from ....crypto.tokens import new_token, token_hash
from ....database import Transaction
from ....database import rows as table_of
from ....models import (
    Attendee,
    Discussion,
    LetterKind,
    Registration,
    RegistrationStatus,
    address_index,
)
from ... import catalog
from ...registrations import register
from ...registrations.manage import is_off
from ...registrations.register import IN_THE_CLEAR
from ...seats import allocation, retention
from ...seats.retention import UNCONFIRMED_LIFE
from .seat_plan import places
from .sheet import Row

# How many rows one statement adds.
STEP = 1000
# What is prepared of a row and is no column.
_NOT_KEPT = {"status", "mailbox"}
_LETTERS = {
    RegistrationStatus.UNCONFIRMED: LetterKind.ADDRESS_CONFIRMATION,
    RegistrationStatus.CONFIRMED: LetterKind.CONFIRMATION,
    RegistrationStatus.WAITING: LetterKind.WAITING,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What adding a sheet does: where the new ones come to stand, and which lines are left out. Of
    what `is_off` nobody is told."""

    new: Sequence[Row]
    counts: Counter[RegistrationStatus]
    known: Sequence[int]
    late: Sequence[int]
    placed: Sequence[RegistrationStatus]
    is_off: bool

    @property
    def letters(self) -> int:
        """How many letters that owes, if those who are added are told."""
        return sum(count for status, count in self.counts.items() if status in _LETTERS)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows as the database holds them, but for their seats; sealed with one key, for one version of
    the discussion."""

    key: str
    version: int
    columns: Sequence[dict[str, Any]]
    rows: Sequence[Row]


def plan(tx: Transaction, discussion: Discussion, rows: Sequence[Row]) -> Plan:
    """Return what adding `rows` would do now."""
    there = _ids(tx, discussion)
    new, known, late = [], [], []
    for row in rows:
        if address_index(tx.keys, discussion.uid, row.entry.address) in there:
            known.append(row.line)
        elif _erase_at(discussion, row, tx.settings, tx.now) <= tx.now:
            late.append(row.line)
        else:
            new.append(row)
    wanted = [(_wanted(discussion, row), row.registered_at or tx.now) for row in new]
    given = places(wanted, allocation.left(tx, discussion), 0, tx.now)
    placed = [place.status for place in given]
    return Plan(new, Counter(placed), known, late, placed, is_off(discussion, tx.now))


def prepare(
    discussion: Discussion, rows: Iterable[Row], *, ring: KeyRing, settings: Settings, now: datetime
) -> Prepared:
    """Seal `rows`: what takes long is done before anybody has to wait for it."""
    rows = list(rows)
    columns = [_columns(discussion, row, ring, settings, now) for row in rows]
    return Prepared(ring.current, discussion.version, columns, rows)


def add(tx: Transaction, slug: str, prepared: Prepared, *, is_told: bool) -> int:
    """Add what is prepared and not known yet, and return how many that are. With `is_told`, each
    is owed the letter that says where they stand.

    Raises `NoSuchDiscussion`.
    """
    tx.hold_keys()
    number = catalog.identify(tx, slug)
    with allocation.changing(tx, number, promotes=True) as discussion:
        if (prepared.key, prepared.version) != (tx.keys.current, discussion.version):
            # Changed in between: then it takes longer.
            prepared = prepare(
                discussion, prepared.rows, ring=tx.keys, settings=tx.settings, now=tx.now
            )
        there = _ids(tx, discussion)
        columns = [row for row in prepared.columns if row["address_index"] not in there]
        placed = _insert(tx, discussion, columns)
        if is_told and not is_off(discussion, tx.now):
            mailboxes = {row["address_index"]: row["mailbox"] for row in columns}
            _owe(tx, discussion, placed, mailboxes)
    return len(placed)


def _owe(
    tx: Transaction,
    discussion: Discussion,
    placed: dict[bytes, RegistrationStatus],
    mailboxes: dict[bytes, str],
) -> None:
    """Owe each the letter that says where they stand, unless the mailbox had its three of today."""
    told = {index: status for index, status in placed.items() if status in _LETTERS}
    wanted = Counter(mailboxes[index] for index in told)
    left = register.may_write_to_all(tx, discussion, wanted)
    ids, owed = _ids(tx, discussion), dict[int, RegistrationStatus]()
    for index, status in told.items():
        left[mailboxes[index]] -= 1
        if left[mailboxes[index]] >= 0:
            owed[ids[index]] = status
    for status, kind in _LETTERS.items():
        outbox.post_all(
            tx,
            [number for number, stands in owed.items() if stands is status],
            kind,
            revision=discussion.version,
            host=tx.settings.host,
        )


def _insert(
    tx: Transaction, discussion: Discussion, columns: Sequence[dict[str, Any]]
) -> dict[bytes, RegistrationStatus]:
    """Write the rows with their seats; return where each stands, by the index of its address."""
    wanted = [(row["status"], row["registered_at"]) for row in columns]
    left = allocation.left(tx, discussion)
    given = places(wanted, left, allocation.last_in_queue(tx, discussion), tx.now)
    values = [
        {name: row[name] for name in row if name not in _NOT_KEPT} | place.columns
        for row, place in zip(columns, given, strict=True)
    ]
    for start in range(0, len(values), STEP):
        tx.execute(insert(table_of(Registration)), values[start : start + STEP])
    return {row["address_index"]: place.status for row, place in zip(columns, given, strict=True)}


def _wanted(discussion: Discussion, row: Row) -> RegistrationStatus:
    """Return where somebody is to stand; as by the form, where the row does not say."""
    asks = discussion.content.address_confirmation
    by_form = RegistrationStatus.UNCONFIRMED if asks else RegistrationStatus.CONFIRMED
    return row.status or by_form


def _erase_at(discussion: Discussion, row: Row, settings: Settings, now: datetime) -> datetime:
    registered_at = row.registered_at or now
    if _wanted(discussion, row) is RegistrationStatus.UNCONFIRMED:
        return registered_at + UNCONFIRMED_LIFE
    return retention.erase_at(discussion, registered_at, settings)


def _columns(
    discussion: Discussion, row: Row, ring: KeyRing, settings: Settings, now: datetime
) -> dict[str, Any]:
    entry, status = row.entry, _wanted(discussion, row)
    attendee = Attendee(
        secrets.token_hex(16),
        new_token(),
        new_token(),
        entry.name,
        entry.address.sent,
        entry.affiliation,
        entry.answers,
    )
    registered_at = row.registered_at or now
    confirmed_at = row.confirmed_at
    if status in {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}:
        confirmed_at = confirmed_at or registered_at
    gone = RegistrationStatus.WITHDRAWN
    return {
        "public_id": attendee.public_id,
        "discussion_id": discussion.id,
        "address_index": address_index(ring, discussion.uid, entry.address),
        "token_hash": token_hash(attendee.token),
        "calendar_token_hash": token_hash(attendee.calendar_token),
        "sealed": attendee.sealed(ring),
        "key_id": ring.current,
        "registered_at": registered_at,
        "confirmed_at": None if status is RegistrationStatus.UNCONFIRMED else confirmed_at,
        "withdrawn_at": (row.withdrawn_at or now) if status is gone else None,
        "attended_at": now if row.attended else None,
        "erase_at": _erase_at(discussion, row, settings, now),
        "calendar_sequence": discussion.first_calendar_sequence,
        "told_revision": discussion.version,
        "status": status,
        "mailbox": entry.address.mailbox,
        **{name: getattr(entry, name) for name in IN_THE_CLEAR},
    }


def _ids(tx: Transaction, discussion: Discussion) -> dict[bytes, int]:
    """Return the id of every registration by the index of its address."""
    wanted = select(Registration.address_index, Registration.id)
    rows = tx.execute(wanted.where(Registration.discussion_id == discussion.id))
    return {row[0]: row[1] for row in rows}
