"""Seats and the waiting list. Everything that takes or frees a seat happens inside `changing`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from ... import outbox
from ...config import Settings
from ...models import Discussion, DiscussionStatus, Letter, LetterKind, LetterState, Registration
from ..installation import content_has_changed

# How long an unconfirmed registration keeps its seat.
HOLD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Place:
    """A seat, or a place on the waiting list."""

    seated_at: datetime | None
    queue_position: int | None
    seat_held_until: datetime | None = None


@contextmanager
def changing(
    session: Session, discussion_id: int, now: datetime, settings: Settings | None = None
) -> Iterator[Discussion]:
    """Lock the discussion until the transaction ends: counting seats and taking one are one step.

    SQLite has one writer at a time anyway. With `settings`, whoever waits gets what the block has
    freed. When it has filled the last seat or freed one, what the public pages say of it has
    changed.
    """
    discussion = session.get_one(
        Discussion, discussion_id, with_for_update=True, populate_existing=True
    )
    was_full = is_full(session, discussion, now)
    yield discussion
    session.flush()
    if settings:
        promote(session, discussion, settings=settings, now=now)
    if is_full(session, discussion, now) != was_full:
        content_has_changed(session)


def promote(session: Session, discussion: Discussion, *, settings: Settings, now: datetime) -> int:
    """Give free seats to those who wait, in their order, each with a letter; return to how many.

    The discussion is locked. Nobody is given a seat of what is cancelled or over.
    """
    _end_holds(session, discussion, now)
    if not _gives_seats(discussion, now):
        return 0
    free = _free(session, discussion, now)
    first = (
        select(Registration.id)
        .where(Registration.discussion_id == discussion.id, _waiting())
        .order_by(Registration.queue_position)
    )
    ids = session.scalars(first.limit(free)).all() if free != 0 else []
    for start in range(0, len(ids), 500):
        session.execute(
            update(Registration)
            .where(Registration.id.in_(ids[start : start + 500]))
            .values(seated_at=now, queue_position=None)
        )
    return _owe_seats(session, discussion, ids, settings, now)


def tell_again(
    session: Session, discussion: Discussion, *, settings: Settings, now: datetime
) -> int:
    """Owe the letters of seats that were dropped while the discussion was off, to those who have
    got none since; return to how many."""
    ids = session.scalars(untold(discussion)).all()
    return _owe_seats(session, discussion, ids, settings, now)


def untold(discussion: Discussion) -> Select[int]:
    """Return how to select who has a seat, and whose letter of it was dropped while the discussion
    was off."""
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
            Registration.seated_at.is_not(None),
            Letter.kind == LetterKind.SEAT,
            Letter.state == LetterState.DROPPED,
            ~told,
        )
        .distinct()
    )


def _owe_seats(
    session: Session,
    discussion: Discussion,
    ids: Sequence[int],
    settings: Settings,
    now: datetime,
) -> int:
    outbox.post_all(
        session,
        ids,
        LetterKind.SEAT,
        revision=discussion.version,
        host=settings.host,
        now=now,
    )
    return len(ids)


def _gives_seats(discussion: Discussion, now: datetime) -> bool:
    return discussion.status is DiscussionStatus.PUBLISHED and not discussion.is_over(now)


def _end_holds(session: Session, discussion: Discussion, now: datetime) -> None:
    """Take the seats of holds that have ended: who has waited for the lock since before that must
    not find it held."""
    session.execute(
        update(Registration)
        .where(
            Registration.discussion_id == discussion.id,
            Registration.seated_at.is_not(None),
            Registration.confirmed_at.is_(None),
            Registration.seat_held_until <= now,
        )
        .values(seated_at=None, seat_held_until=None)
    )


def promotable(session: Session, now: datetime) -> Sequence[int]:
    """Return the ids of discussions in which somebody waits while a seat is free: one that was
    held is freed by time alone."""
    seated = (
        select(func.count())
        .where(Registration.discussion_id == Discussion.id, _seated(now))
        .correlate(Discussion)
        .scalar_subquery()
    )
    waiting = exists().where(Registration.discussion_id == Discussion.id, _waiting())
    found = session.scalars(
        select(Discussion).where(
            Discussion.status == DiscussionStatus.PUBLISHED,
            waiting,
            or_(Discussion.seats.is_(None), Discussion.seats > seated),
        )
    )
    return [discussion.id for discussion in found if _gives_seats(discussion, now)]


def is_still_there(session: Session, registration: Registration) -> bool:
    """Read a registration again and lock it, once its discussion is locked; False if it has been
    erased."""
    named = select(Registration).where(Registration.id == registration.id)
    # Letters refer to the row meanwhile: only its key must stay.
    again = named.with_for_update(key_share=True)
    return session.scalar(again.execution_options(populate_existing=True)) is not None


def is_full(session: Session, discussion: Discussion, now: datetime) -> bool:
    """Whether the next one to register would wait: no seat is free, or others wait for it."""
    if discussion.seats is None:
        return False
    return _free(session, discussion, now) == 0 or _count(session, discussion, _waiting()) > 0


def left(session: Session, discussion: Discussion, now: datetime) -> int | None:
    """Return how many could register before the next one waits; None where there is no end."""
    return 0 if is_full(session, discussion, now) else _free(session, discussion, now)


def last_in_queue(session: Session, discussion: Discussion) -> int:
    """Return the last place of the waiting list; 0 if nobody has ever had one that is held."""
    last = session.scalar(
        select(func.max(Registration.queue_position)).where(
            Registration.discussion_id == discussion.id
        )
    )
    return last or 0


def full_until(session: Session, discussion: Discussion, now: datetime) -> datetime | None:
    """Return when the next held seat is freed by time alone; None if no seat is only held."""
    held = and_(_seated(now), Registration.confirmed_at.is_(None))
    return session.scalar(
        select(func.min(Registration.seat_held_until)).where(
            Registration.discussion_id == discussion.id, held
        )
    )


def assign(
    session: Session, discussion: Discussion, known: Registration | None, now: datetime
) -> Place:
    """Return the place of somebody who registers: the one they have, a seat, or the queue's end."""
    if known and (known.queue_position or _holds_seat(known, now)):
        return Place(known.seated_at, known.queue_position, known.seat_held_until)
    if not is_full(session, discussion, now):
        return Place(now, None, now + HOLD)
    return Place(None, last_in_queue(session, discussion) + 1)


def settle(
    session: Session, discussion: Discussion, registration: Registration, now: datetime
) -> Place:
    """Return the place of somebody who confirms: a seat that is held, else as if just come; who
    waits moves up only if a seat is free and nobody waits before."""
    if _holds_seat(registration, now):
        return Place(registration.seated_at, None)
    if registration.queue_position and _may_move_up(session, discussion, registration, now):
        return Place(now, None)
    place = assign(session, discussion, registration, now)
    return Place(place.seated_at, place.queue_position)


def _may_move_up(
    session: Session, discussion: Discussion, registration: Registration, now: datetime
) -> bool:
    has_seat = _free(session, discussion, now) != 0
    return has_seat and not waiting_before(session, registration)


def _free(session: Session, discussion: Discussion, now: datetime) -> int | None:
    """Return how many seats are free; None where there is no end of them."""
    if discussion.seats is None:
        return None
    return max(0, discussion.seats - taken(session, discussion, now))


def taken(session: Session, discussion: Discussion, now: datetime) -> int:
    """Return how many seats are taken, or held."""
    return _count(session, discussion, _seated(now))


def waiting_before(session: Session, registration: Registration) -> int:
    """Return how many wait before `registration`: its place is one more."""
    if registration.queue_position is None:
        return 0
    count = session.scalar(
        select(func.count()).where(
            Registration.discussion_id == registration.discussion_id,
            Registration.queue_position < registration.queue_position,
            _waiting(),
        )
    )
    return count or 0


def _holds_seat(registration: Registration, now: datetime) -> bool:
    if registration.seated_at is None or registration.withdrawn_at:
        return False
    held_until = registration.seat_held_until
    return registration.confirmed_at is not None or (held_until is not None and held_until > now)


def _seated(now: datetime) -> ColumnElement[bool]:
    return and_(
        Registration.seated_at.is_not(None),
        Registration.withdrawn_at.is_(None),
        or_(Registration.confirmed_at.is_not(None), Registration.seat_held_until > now),
    )


def _waiting() -> ColumnElement[bool]:
    return and_(
        Registration.queue_position.is_not(None),
        Registration.withdrawn_at.is_(None),
        Registration.confirmed_at.is_not(None),
    )


def _count(session: Session, discussion: Discussion, which: ColumnElement[bool]) -> int:
    count = session.scalar(
        select(func.count()).where(Registration.discussion_id == discussion.id, which)
    )
    return count or 0
