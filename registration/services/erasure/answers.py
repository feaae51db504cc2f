"""Erases answers and attendance a week after the discussion, where attendees are at risk.

The registrations stay until their own date. The times alone decide, so that data that a restored
backup, or an import, brings back is erased again.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update

from ...database import Transaction
from ...models import ANSWERS_RETENTION, Discussion, Export, Registration

# How many registrations one transaction seals anew, so that other writers do not wait long.
REGISTRATIONS_A_BATCH = 200


def is_due(at: datetime) -> ColumnElement[bool]:
    """Whether the answers or the attendance of a registration were to be erased by `at`.

    The query must join the discussion.
    """
    last = at - ANSWERS_RETENTION
    is_kept = or_(Registration.answers_erased_at.is_(None), Registration.attended_at.is_not(None))
    return and_(Discussion.ends_at <= last, Registration.registered_at <= last, is_kept)


def erase_due(tx: Transaction) -> int:
    """Erase the answers and the attendance of a batch of registrations of one discussion; return
    how many, 0 if none is due. Exports that may hold them become stale."""
    tx.hold_keys()
    found = select(Registration.discussion_id).join(Discussion).where(is_due(tx.now)).limit(1)
    discussion_id = tx.scalar(found)
    if discussion_id is None:
        return 0
    # First the discussion, as `erasures.erase` does: otherwise the two could deadlock.
    tx.get_one(Discussion, discussion_id, with_for_update=True)
    batch = _lock_batch(tx, discussion_id)
    for registration in batch:
        _erase(tx, registration)
    stale = update(Export).where(Export.discussion_id == discussion_id).values(is_stale=True)
    tx.execute(stale)
    return len(batch)


def _lock_batch(tx: Transaction, discussion_id: int) -> list[Registration]:
    some = (
        select(Registration)
        .join(Discussion)
        .where(Registration.discussion_id == discussion_id, is_due(tx.now))
        .order_by(Registration.id)
        .limit(REGISTRATIONS_A_BATCH)
    )
    locked = some.with_for_update(of=Registration, key_share=True)
    return list(tx.scalars(locked.execution_options(populate_existing=True)))


def _erase(tx: Transaction, registration: Registration) -> None:
    registration.seal(replace(registration.attendee(tx.keys), answers={}), tx.keys)
    registration.attended_at = None
    registration.answers_erased_at = tx.now
