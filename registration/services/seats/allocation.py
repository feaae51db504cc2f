"""Allocates seats, and promotes attendees from the waiting list.

Everything that takes or frees a seat happens inside `locked_discussion`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from ... import outbox
from ...database import Transaction
from ...database.paging import batches
from ...models import Discussion, DiscussionStatus, Letter, LetterKind, LetterState, Registration
from ..installation import note_content_change

# How long a registration keeps its seat until its letter's link is confirmed.
SEAT_HOLD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Place:
    """A seat, which may be held until a moment, or a position on the waiting list."""

    seated_at: datetime | None
    queue_position: int | None
    seat_held_until: datetime | None = None


@contextmanager
def locked_discussion(
    tx: Transaction, discussion_id: int, *, promotes: bool = False
) -> Iterator[Discussion]:
    """Lock the discussion until the transaction ends, so that counting and taking seats are atomic.

    SQLite has one writer at a time anyway. With `promotes`, attendees on the waiting list get the
    seats that the block has freed. If the block has filled the last seat or freed one, public pages
    have changed.
    """
    discussion = tx.get_one(Discussion, discussion_id, with_for_update=True, populate_existing=True)
    was_full = is_full(tx, discussion)
    yield discussion
    tx.flush()
    if promotes:
        promote(tx, discussion)
    if is_full(tx, discussion) != was_full:
        note_content_change(tx)


def promote(tx: Transaction, discussion: Discussion) -> int:
    """Give free seats to the first on the waiting list, and owe each a letter; return how many.

    The discussion is locked. If it is cancelled, unpublished or over, nobody is promoted.
    """
    _end_holds(tx, discussion)
    if not discussion.is_on(tx.now):
        return 0
    free = _free(tx, discussion)
    first = (
        select(Registration.id)
        .where(Registration.discussion_id == discussion.id, _waiting())
        .order_by(Registration.queue_position)
    )
    ids = tx.scalars(first.limit(free)).all() if free != 0 else []
    for some in batches(ids):
        promoted = update(Registration).where(Registration.id.in_(some))
        tx.execute(promoted.values(seated_at=tx.now, queue_position=None))
    return _owe_seats(tx, discussion, ids)


def count_promoted(tx: Transaction, would_be: Discussion) -> int:
    """Return to how many `promote` gives seats of this discussion, which need not be in the
    database as it is here."""
    if not would_be.is_on(tx.now):
        return 0
    free, waiting = _free(tx, would_be), _count(tx, would_be, _waiting())
    return waiting if free is None else min(free, waiting)


def owe_dropped_letters(tx: Transaction, discussion: Discussion) -> int:
    """Owe again the letters about seats that were dropped while the discussion was cancelled;
    return how many."""
    ids = tx.scalars(select_untold(discussion)).all()
    return _owe_seats(tx, discussion, ids)


def select_untold(discussion: Discussion) -> Select[int]:
    """Return the SELECT of registrations with a seat whose letter about it was dropped while the
    discussion was cancelled, and has not been replaced."""
    later = aliased(Letter)
    told = exists().where(
        later.registration_id == Letter.registration_id,
        later.kind.in_([LetterKind.SEAT, LetterKind.CONFIRMATION]),
        later.state != LetterState.DROPPED,
        later.id > Letter.id,
    )
    return (
        select(Registration.id)
        .join(Letter, Letter.registration_id == Registration.id)
        .where(
            Registration.discussion_id == discussion.id,
            and_(Registration.is_registered, Registration.has_seat),
            Letter.kind == LetterKind.SEAT,
            Letter.state == LetterState.DROPPED,
            ~told,
        )
        .distinct()
    )


def _owe_seats(tx: Transaction, discussion: Discussion, ids: Sequence[int]) -> int:
    outbox.post_all(tx, ids, LetterKind.SEAT, revision=discussion.version)
    return len(ids)


def _end_holds(tx: Transaction, discussion: Discussion) -> None:
    """Release expired holds. A transaction that queued for the lock before a hold expired must not
    count it as active."""
    tx.execute(
        update(Registration)
        .where(
            Registration.discussion_id == discussion.id,
            Registration.has_seat,
            ~Registration.is_registered,
            Registration.seat_held_until <= tx.now,
        )
        .values(seated_at=None, seat_held_until=None)
    )


def find_promotable(tx: Transaction) -> Sequence[int]:
    """Return the ids of discussions with a free seat and a waiting list: a hold expires by time
    alone, so nothing else notices."""
    seated = (
        select(func.count())
        .where(Registration.discussion_id == Discussion.id, Registration.takes_seat(tx.now))
        .correlate(Discussion)
        .scalar_subquery()
    )
    waiting = exists().where(Registration.discussion_id == Discussion.id, _waiting())
    candidates = tx.scalars(
        select(Discussion).where(
            Discussion.status == DiscussionStatus.PUBLISHED,
            waiting,
            or_(Discussion.seats.is_(None), Discussion.seats > seated),
        )
    )
    return [discussion.id for discussion in candidates if discussion.is_on(tx.now)]


def is_still_there(tx: Transaction, registration: Registration) -> bool:
    """Lock and read a registration again, after its discussion; return False if it is erased."""
    named = select(Registration).where(Registration.id == registration.id)
    # Letters refer to the row meanwhile: only its key must stay.
    locked = named.with_for_update(key_share=True)
    return tx.scalar(locked.execution_options(populate_existing=True)) is not None


def is_full(tx: Transaction, discussion: Discussion) -> bool:
    """Whether the next registration would wait: no seat is free, or others wait already."""
    if discussion.seats is None:
        return False
    return _free(tx, discussion) == 0 or _count(tx, discussion, _waiting()) > 0


def seats_left(tx: Transaction, discussion: Discussion) -> int | None:
    """Return how many can register before one has to wait; None if seats are unlimited."""
    return 0 if is_full(tx, discussion) else _free(tx, discussion)


def last_in_queue(tx: Transaction, discussion: Discussion) -> int:
    """Return the highest position on the waiting list; 0 if nobody has one."""
    last = tx.scalar(
        select(func.max(Registration.queue_position)).where(
            Registration.discussion_id == discussion.id
        )
    )
    return last or 0


def next_hold_end(tx: Transaction, discussion: Discussion) -> datetime | None:
    """Return when the next hold of a seat expires; None if no seat is held."""
    held = and_(Registration.takes_seat(tx.now), ~Registration.is_registered)
    return tx.scalar(
        select(func.min(Registration.seat_held_until)).where(
            Registration.discussion_id == discussion.id, held
        )
    )


def place_on_registering(
    tx: Transaction, discussion: Discussion, known: Registration | None
) -> Place:
    """Return the place of a new registration: its old one, a free seat, or the queue's end.

    `known` is the earlier registration of the same address.
    """
    if known and (known.queue_position or known.takes_seat(tx.now)):
        return Place(known.seated_at, known.queue_position, known.seat_held_until)
    if not is_full(tx, discussion):
        return Place(tx.now, None, tx.now + SEAT_HOLD)
    return Place(None, last_in_queue(tx, discussion) + 1)


def place_on_confirming(
    tx: Transaction, discussion: Discussion, registration: Registration
) -> Place:
    """Return the place of a registration that is confirmed now: the seat held for it, else as a new
    one. From the waiting list it gets a seat only if one is free and nobody waits before it."""
    if registration.takes_seat(tx.now):
        return Place(registration.seated_at, None)
    if registration.queue_position and _may_move_up(tx, discussion, registration):
        return Place(tx.now, None)
    place = place_on_registering(tx, discussion, registration)
    return Place(place.seated_at, place.queue_position)


def _may_move_up(tx: Transaction, discussion: Discussion, registration: Registration) -> bool:
    has_seat = _free(tx, discussion) != 0
    return has_seat and not waiting_before(tx, registration)


def _free(tx: Transaction, discussion: Discussion) -> int | None:
    """Return how many seats are free; None if they are unlimited."""
    if discussion.seats is None:
        return None
    return max(0, discussion.seats - count_taken(tx, discussion))


def count_taken(tx: Transaction, discussion: Discussion) -> int:
    """Return how many seats are taken, those held included."""
    return _count(tx, discussion, Registration.takes_seat(tx.now))


def waiting_before(tx: Transaction, registration: Registration) -> int:
    """Return how many wait before `registration`; 0 if it does not wait."""
    if registration.queue_position is None:
        return 0
    count = tx.scalar(
        select(func.count()).where(
            Registration.discussion_id == registration.discussion_id,
            Registration.queue_position < registration.queue_position,
            _waiting(),
        )
    )
    return count or 0


def _waiting() -> ColumnElement[bool]:
    return and_(Registration.queue_position.is_not(None), Registration.is_registered)


def _count(tx: Transaction, discussion: Discussion, which: ColumnExpressionArgument[bool]) -> int:
    count = tx.scalar(
        select(func.count()).where(Registration.discussion_id == discussion.id, which)
    )
    return count or 0
