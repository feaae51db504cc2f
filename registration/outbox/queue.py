"""The queue of letters: post them, put them off, drop those no longer wanted, and retry them."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, insert, or_, select, update

from ..database import Transaction, table_of
from ..database.paging import batches
from ..models import Letter, LetterKind, LetterState, Registration


def post(
    tx: Transaction,
    registration_id: int,
    kind: LetterKind,
    *,
    revision: int,
    pending_form_id: int | None = None,
) -> None:
    """Post one letter to a registration.

    Its key counts the letters of a kind: confirmation/17/2 is the second one to registration 17.
    """
    post_all(tx, [registration_id], kind, revision=revision, pending_form_id=pending_form_id)


def post_all(
    tx: Transaction,
    registration_ids: Sequence[int],
    kind: LetterKind,
    *,
    revision: int,
    due_at: datetime | None = None,
    occasion: str = "",
    mailing_id: int | None = None,
    pending_form_id: int | None = None,
) -> None:
    """Post a letter of one kind to each of these registrations, due now or at `due_at`.

    A registration that is owed the same letter already, for the same pending form and not leased,
    gets no second one; the letter becomes due at the earlier of both times. The key of a letter
    that is sent once for each `occasion`, such as a mailing, contains it.
    """
    for batch in batches(registration_ids):
        same = Letter.pending_form_id.is_not_distinct_from(pending_form_id)
        counts, waiting = ({}, set()) if occasion else _count_posted(tx, batch, kind, same)
        posted = [
            {
                "registration_id": number,
                "mailing_id": mailing_id,
                "pending_form_id": pending_form_id,
                "kind": kind,
                "key": f"{kind.value}/{number}/{occasion or counts.get(number, 0) + 1}",
                "revision": revision,
                "public_id": secrets.token_hex(16),
                "state": LetterState.OWED,
                "posted_at": tx.now,
                "due_at": due_at or tx.now,
                "attempts": 0,
            }
            for number in batch
            if occasion or number not in waiting
        ]
        _insert(tx, posted)
        _bring_forward(tx, waiting, kind, due_at or tx.now, same)


def post_test(tx: Transaction, organizer_id: int, mailing_id: int, *, revision: int) -> None:
    """Post a mailing to an organizer, as attendees would get it, unless one is waiting already."""
    of_it = and_(
        Letter.organizer_id == organizer_id,
        Letter.mailing_id == mailing_id,
        Letter.state == LetterState.OWED,
    )
    if tx.scalar(select(Letter.id).where(of_it, Letter.lease_until.is_(None)).limit(1)):
        return
    letter = _to_organizer(tx, organizer_id, f"test/{mailing_id}", LetterKind.MAILING)
    letter.mailing_id, letter.revision = mailing_id, revision
    tx.add(letter)


def post_to_organizer(tx: Transaction, organizer_id: int, kind: LetterKind) -> None:
    """Post a letter of one of `TO_ORGANIZERS`; each change of an account has its own."""
    tx.add(_to_organizer(tx, organizer_id, f"{kind.value}/{organizer_id}", kind))


def _to_organizer(tx: Transaction, organizer_id: int, key: str, kind: LetterKind) -> Letter:
    """Return a letter to an organizer that is due now. Its random id ends its key."""
    public_id = secrets.token_hex(16)
    return Letter(
        organizer_id=organizer_id,
        kind=kind,
        key=f"{key}/{public_id}",
        revision=0,
        public_id=public_id,
        posted_at=tx.now,
        due_at=tx.now,
    )


def _insert(tx: Transaction, posted: list[dict[str, Any]]) -> None:
    if posted:  # without rows, the statement would insert one of defaults
        tx.execute(insert(table_of(Letter)), posted)


def _bring_forward(
    tx: Transaction,
    registration_ids: set[int],
    kind: LetterKind,
    at: datetime,
    same: ColumnElement[bool],
) -> None:
    """Make waiting letters due no later than `at`, also those that wait for another attempt."""
    if not registration_ids:
        return
    tx.execute(
        update(Letter)
        .where(
            Letter.registration_id.in_(registration_ids),
            Letter.kind == kind,
            same,
            Letter.state == LetterState.OWED,
            Letter.lease_until.is_(None),
            Letter.due_at > at,
        )
        .values(due_at=at)
    )


def _count_posted(
    tx: Transaction,
    registration_ids: Sequence[int],
    kind: LetterKind,
    same: ColumnElement[bool],
) -> tuple[dict[int, int], set[int]]:
    """Return the number of posted letters by registration, and the ids with the same letter
    waiting."""
    waits = and_(same, Letter.state == LetterState.OWED, Letter.lease_until.is_(None))
    counted = (
        select(Letter.registration_id, func.count(), func.sum(case((waits, 1), else_=0)))
        .where(Letter.registration_id.in_(registration_ids), Letter.kind == kind)
        .group_by(Letter.registration_id)
    )
    posted = tx.execute(counted).all()
    counts = {number: count for number, count, _waiting in posted}
    return counts, {number for number, _count, waiting in posted if waiting}


def put_off(
    tx: Transaction, registration_ids: Sequence[int], kind: LetterKind, due_at: datetime
) -> set[int]:
    """Put the owed letters of a kind, unless leased, off until `due_at`.

    Returns the ids of their registrations. Letters are composed when they are sent, so they
    contain whatever changes until then.
    """
    delayed: set[int] = set()
    for batch in batches(registration_ids):
        is_theirs = Letter.registration_id.in_(batch)
        is_owed = and_(Letter.state == LetterState.OWED, Letter.lease_until.is_(None))
        moved = update(Letter).where(is_theirs, Letter.kind == kind, is_owed).values(due_at=due_at)
        delayed.update(tx.scalars(moved.returning(Letter.registration_id)))
    return delayed


def drop(tx: Transaction, registration_id: int, kind: LetterKind) -> None:
    """Drop the owed letters of a kind to a registration, also leased ones."""
    tx.execute(
        update(Letter)
        .where(
            Letter.registration_id == registration_id,
            Letter.kind == kind,
            Letter.state == LetterState.OWED,
        )
        .values(state=LetterState.DROPPED, lease_until=None)
    )


def drop_of_forms(tx: Transaction, pending_form_ids: Sequence[int]) -> None:
    """Drop the letters of these pending forms that are not sent yet, also leased ones and those
    that a restore held back."""
    unsent = [LetterState.OWED, LetterState.HELD]
    for batch in batches(pending_form_ids):
        of_them = Letter.pending_form_id.in_(batch), Letter.state.in_(unsent)
        dropped = update(Letter).where(*of_them)
        tx.execute(dropped.values(state=LetterState.DROPPED, lease_until=None))


def drop_all(
    tx: Transaction, discussion_id: int, kind: LetterKind, *, but: str | None = None
) -> None:
    """Drop the owed letters of a kind to a discussion's registrations, except one occasion's."""
    of_it = select(Registration.id).where(Registration.discussion_id == discussion_id)
    dropped = update(Letter).where(
        Letter.registration_id.in_(of_it),
        Letter.kind == kind,
        Letter.state == LetterState.OWED,
    )
    if but is not None:
        dropped = dropped.where(~Letter.key.endswith(f"/{but}"))
    tx.execute(dropped.values(state=LetterState.DROPPED, lease_until=None))


def drop_of_discussion(tx: Transaction, discussion_id: int) -> None:
    """Drop all letters of a discussion's registrations that are owed or held, unless leased."""
    of_it = select(Registration.id).where(Registration.discussion_id == discussion_id)
    tx.execute(
        update(Letter)
        .where(
            Letter.registration_id.in_(of_it),
            Letter.state.in_([LetterState.OWED, LetterState.HELD]),
            or_(Letter.lease_until.is_(None), Letter.lease_until <= tx.now),
        )
        .values(state=LetterState.DROPPED, lease_until=None)
        .execution_options(synchronize_session=False)
    )


def drop_waiting(tx: Transaction, which: ColumnElement[bool]) -> int:
    """Drop these mailings unless leased, also those that a restore held back; return how many.

    A leased one is either being sent, or dropped when the worker composes it.
    """
    dropped = (
        update(Letter)
        .where(
            which,
            Letter.kind == LetterKind.MAILING,
            Letter.state.in_([LetterState.OWED, LetterState.HELD]),
            or_(Letter.lease_until.is_(None), Letter.lease_until <= tx.now),
        )
        .values(state=LetterState.DROPPED, lease_until=None)
        .returning(Letter.id)
    )
    return len(tx.scalars(dropped).all())


def held_ids(tx: Transaction) -> Sequence[int]:
    """Return the ids of the letters that a restore held back."""
    return tx.scalars(
        select(Letter.id).where(Letter.state == LetterState.HELD).order_by(Letter.id)
    ).all()


def retry(tx: Transaction, ids: Sequence[int]) -> int:
    """Make failed and held letters due now; return how many."""
    owed = tx.scalars(
        update(Letter)
        .where(
            Letter.id.in_(ids),
            Letter.state.in_([LetterState.FAILED, LetterState.HELD, LetterState.OWED]),
        )
        .values(state=LetterState.OWED, due_at=tx.now, attempts=0)
        .returning(Letter.id)
    )
    return len(owed.all())


def every(tx: Transaction) -> Sequence[Letter]:
    """Return all letters, in the order they were posted."""
    return tx.scalars(select(Letter).order_by(Letter.id)).all()
