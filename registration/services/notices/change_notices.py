"""Owes attendees a letter about what has changed since the last one.

It is due `CHANGE_GRACE` later, so that several changes share one letter, and a change that is taken
back causes none.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from ... import outbox
from ...database import Transaction
from ...models import Discussion, Essentials, LetterKind, Registration, Revision

# How long a letter waits for further changes; it does not wait if a start is within NEAR_START.
CHANGE_GRACE = timedelta(minutes=5)
NEAR_START = timedelta(hours=2)


def owe_changes(tx: Transaction, discussion: Discussion, *, only: int | None = None) -> int:
    """Owe a letter to every attendee who was last told other essentials; return how many.

    `only` limits this to the registration with that id. Nothing is owed for a discussion that is
    over.
    """
    is_now = discussion.essentials
    if is_now.when.ends_at <= tx.now:
        return 0
    told = _told(tx, discussion)
    to_tell = select(Registration.id).where(_comes(discussion), _has_news(told, is_now))
    if only is not None:
        to_tell = to_tell.where(Registration.id == only)
    ids = tx.scalars(to_tell).all()
    starts = [essentials.when.starts_at for essentials in (*told.values(), is_now)]
    is_near = any(tx.now - NEAR_START < start < tx.now + NEAR_START for start in starts)
    due_at = tx.now if is_near else tx.now + CHANGE_GRACE
    waiting = outbox.put_off(tx, ids, LetterKind.CHANGE, due_at)
    outbox.post_all(
        tx,
        [number for number in ids if number not in waiting],
        LetterKind.CHANGE,
        revision=discussion.version,
        due_at=due_at,
    )
    return len(ids)


def count(tx: Transaction, discussion: Discussion, is_now: Essentials) -> int:
    """Return how many letters `owe_changes` would owe if the essentials were `is_now`."""
    if is_now.when.ends_at <= tx.now:
        return 0
    to_tell = _comes(discussion), _has_news(_told(tx, discussion), is_now)
    return tx.scalars(select(func.count(Registration.id)).where(*to_tell)).one()


def last_told_essentials(tx: Transaction, registration: Registration) -> Essentials | None:
    """Return the essentials that an attendee was last told; None if their revision is unknown."""
    revision = tx.scalar(
        select(Revision).where(
            Revision.discussion_id == registration.discussion_id,
            Revision.number == registration.told_revision,
        )
    )
    return revision.essentials if revision else None


def note_told(tx: Transaction, registration_id: int, version: int) -> None:
    """Note that an attendee was told of a discussion as of `version`."""
    tx.execute(
        update(Registration)
        .where(Registration.id == registration_id, Registration.told_revision < version)
        .values(told_revision=version)
    )


def _told(tx: Transaction, discussion: Discussion) -> dict[int, Essentials]:
    """Return the essentials that attendees were last told, by number of revision."""
    numbers = select(Registration.told_revision).where(_comes(discussion)).distinct()
    revisions = tx.scalars(
        select(Revision).where(
            Revision.discussion_id == discussion.id, Revision.number.in_(numbers)
        )
    )
    return {revision.number: revision.essentials for revision in revisions}


def _comes(discussion: Discussion) -> ColumnElement[bool]:
    return and_(
        Registration.discussion_id == discussion.id,
        Registration.is_registered,
    )


def _has_news(told: dict[int, Essentials], is_now: Essentials) -> ColumnElement[bool]:
    """Return the condition that an attendee was told otherwise; the link counts with a seat."""
    seated = [number for number, was in told.items() if not is_now.is_news_after(was)]
    waiting = [
        number
        for number, was in told.items()
        if not is_now.without_link().is_news_after(was.without_link())
    ]
    return or_(
        and_(Registration.has_seat, Registration.told_revision.not_in(seated)),
        and_(~Registration.has_seat, Registration.told_revision.not_in(waiting)),
    )
