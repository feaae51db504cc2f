"""Plans and adds the rows of a sheet.

Registered addresses stay as they are; rows whose data would be due for erasure are left out.
"""

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
from ....database import Transaction, table_of
from ....database.paging import batches
from ....models import (
    REGISTERED,
    Attendee,
    Discussion,
    Registration,
    RegistrationStatus,
    address_index,
)
from ... import catalog
from ...registrations import register
from ...seats import allocation, retention
from .seat_plan import plan_places
from .sheet import Row

# How many rows one INSERT adds.
ROWS_A_STATEMENT = 1000
# Prepared values that are no columns of the table.
_NOT_COLUMNS = {"status", "mailbox"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What adding a sheet would do.

    `counts` and `placed` have the statuses of the `new` rows; `known` and `late` the numbers of
    lines left out, because their address is registered or their data due for erasure. Nobody is
    written to unless the discussion `is_on`.
    """

    new: Sequence[Row]
    counts: Counter[RegistrationStatus]
    known: Sequence[int]
    late: Sequence[int]
    placed: Sequence[RegistrationStatus]
    is_on: bool

    @property
    def letters(self) -> int:
        """How many letters adding the rows owes, if the attendees are to be told."""
        return sum(
            count for status, count in self.counts.items() if status in register.LETTER_OF_STATUS
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What the page states of the plan, and others can change."""
        return {
            "new": [row.line for row in self.new],
            "placed": list(self.placed),
            "known": list(self.known),
            "late": list(self.late),
            "is_on": self.is_on,
        }


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows as the database stores them, without seats: sealed with the key of fingerprint `key`,
    for `version` of the discussion."""

    key: str
    version: int
    columns: Sequence[dict[str, Any]]
    rows: Sequence[Row]


def plan(tx: Transaction, discussion: Discussion, rows: Sequence[Row]) -> Plan:
    """Return what adding `rows` now would do."""
    there = _ids(tx, discussion)
    new, known, late = [], [], []
    for row in rows:
        if address_index(tx.keys, discussion.uid, row.entry.address) in there:
            known.append(row.line)
        elif _erase_at(discussion, row, tx.settings, tx.now) <= tx.now:
            late.append(row.line)
        else:
            new.append(row)
    wanted = [(_status_wanted(discussion, row), row.registered_at or tx.now) for row in new]
    given = plan_places(wanted, allocation.seats_left(tx, discussion), 0, tx.now)
    placed = [place.status for place in given]
    return Plan(new, Counter(placed), known, late, placed, discussion.is_on(tx.now))


def prepare(
    discussion: Discussion, rows: Iterable[Row], *, ring: KeyRing, settings: Settings, now: datetime
) -> Prepared:
    """Seal `rows`, which takes long, before the transaction in which others wait."""
    rows = list(rows)
    columns = [_columns(discussion, row, ring, settings, now) for row in rows]
    return Prepared(ring.current, discussion.version, columns, rows)


def add(tx: Transaction, slug: str, prepared: Prepared, *, is_told: bool) -> int:
    """Add the prepared rows whose address is not registered; return how many were added.

    With `is_told`, each is owed the letter that says their status.

    Raises `NoSuchDiscussion`.
    """
    tx.hold_keys()
    number = catalog.find_id(tx, slug)
    with allocation.locked_discussion(tx, number, promotes=True) as discussion:
        if (prepared.key, prepared.version) != (tx.keys.current, discussion.version):
            # The key or the discussion has changed: seal again, though others wait.
            prepared = prepare(
                discussion, prepared.rows, ring=tx.keys, settings=tx.settings, now=tx.now
            )
        there = _ids(tx, discussion)
        columns = [row for row in prepared.columns if row["address_index"] not in there]
        placed = _insert(tx, discussion, columns)
        if is_told and discussion.is_on(tx.now):
            mailboxes = {row["address_index"]: row["mailbox"] for row in columns}
            _owe(tx, discussion, placed, mailboxes)
    return len(placed)


def _owe(
    tx: Transaction,
    discussion: Discussion,
    placed: dict[bytes, RegistrationStatus],
    mailboxes: dict[bytes, str],
) -> None:
    """Owe each the letter that says their status, unless the mailbox has had `LETTERS_A_DAY`."""
    told = {
        index: status for index, status in placed.items() if status in register.LETTER_OF_STATUS
    }
    wanted = Counter(mailboxes[index] for index in told)
    left = register.may_write_to_all(tx, discussion, wanted)
    ids, owed = _ids(tx, discussion), dict[int, RegistrationStatus]()
    for index, status in told.items():
        left[mailboxes[index]] -= 1
        if left[mailboxes[index]] >= 0:
            owed[ids[index]] = status
    for status, kind in register.LETTER_OF_STATUS.items():
        numbers = [number for number, its_status in owed.items() if its_status is status]
        outbox.post_all(tx, numbers, kind, revision=discussion.version)


def _insert(
    tx: Transaction, discussion: Discussion, columns: Sequence[dict[str, Any]]
) -> dict[bytes, RegistrationStatus]:
    """Insert the rows with their seats; return the status of each by its address index."""
    wanted = [(row["status"], row["registered_at"]) for row in columns]
    left = allocation.seats_left(tx, discussion)
    given = plan_places(wanted, left, allocation.last_in_queue(tx, discussion), tx.now)
    values = [
        {name: row[name] for name in row if name not in _NOT_COLUMNS} | place.columns
        for row, place in zip(columns, given, strict=True)
    ]
    for some in batches(values, ROWS_A_STATEMENT):
        tx.execute(insert(table_of(Registration)), some)
    return {row["address_index"]: place.status for row, place in zip(columns, given, strict=True)}


def _status_wanted(discussion: Discussion, row: Row) -> RegistrationStatus:
    """Return the status that a row asks for, or the one that the form would give."""
    asks = discussion.content.address_confirmation
    by_form = RegistrationStatus.UNCONFIRMED if asks else RegistrationStatus.CONFIRMED
    return row.status or by_form


def _erase_at(discussion: Discussion, row: Row, settings: Settings, now: datetime) -> datetime:
    has_confirmed = _status_wanted(discussion, row) is not RegistrationStatus.UNCONFIRMED
    return retention.erase_at(
        discussion, row.registered_at or now, settings, has_confirmed=has_confirmed
    )


def _columns(
    discussion: Discussion, row: Row, ring: KeyRing, settings: Settings, now: datetime
) -> dict[str, Any]:
    entry, status = row.entry, _status_wanted(discussion, row)
    attendee = Attendee(
        secrets.token_hex(16),
        new_token(),
        new_token(),
        entry.name,
        entry.address.sent,
        entry.affiliation,
        entry.answers,
        language=entry.language,
        zone=entry.zone,
    )
    registered_at = row.registered_at or now
    confirmed_at = row.confirmed_at
    if status in REGISTERED:
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
        "wants_follow_up": entry.wants_follow_up,
    }


def _ids(tx: Transaction, discussion: Discussion) -> dict[bytes, int]:
    """Return the id of every registration by its address index."""
    wanted = select(Registration.address_index, Registration.id)
    rows = tx.execute(wanted.where(Registration.discussion_id == discussion.id))
    return {row[0]: row[1] for row in rows}
