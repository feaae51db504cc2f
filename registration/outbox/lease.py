"""Who has a letter in hand: due ones are handed to one worker until a lease ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, not_, or_, select
from sqlalchemy.orm import aliased

from ..database import Transaction, UtcDateTime
from ..models import Letter, LetterKind, LetterState

# Longer than a worker may take for a batch (delivery.DEADLINE), so that no letter has two hands.
LEASE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# By how much clocks may disagree, or be set back, without a sign that one was wrong.
SKEW = timedelta(minutes=1)
# The name of PostgreSQL's lock for it; SQLite has one writer at a time anyway.
CLAIMING = 1
# What anybody can have sent to an address that is not theirs.
FIRST = [
    LetterKind.ADDRESS_CONFIRMATION,
    LetterKind.ALREADY_REGISTERED,
    LetterKind.LINK,
    LetterKind.ADDRESS_CHANGE,
]
# How long to wait after each attempt that may succeed later; then the letter has failed.
DELAYS = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=24),
]


def is_owed(tx: Transaction, letter: Letter) -> bool:
    """Whether a claimed letter is still owed, and still in the same hand."""
    found = tx.scalar(
        select(Letter.id).where(
            Letter.id == letter.id,
            Letter.state == LetterState.OWED,
            Letter.lease_until == letter.lease_until,
        )
    )
    return found is not None


def owes(tx: Transaction, registration_id: int | None, kind: LetterKind) -> bool:
    """Whether a letter of a kind is owed to a registration."""
    found = tx.scalar(
        select(Letter.id)
        .where(
            Letter.registration_id == registration_id,
            Letter.kind == kind,
            Letter.state == LetterState.OWED,
        )
        .limit(1)
    )
    return found is not None


def last_sent_at(tx: Transaction, registration_id: int) -> datetime | None:
    """Return when the last letter to a registration was sent; None if none was."""
    return tx.scalar(
        select(func.max(Letter.sent_at)).where(Letter.registration_id == registration_id)
    )


def claim(tx: Transaction, limit: int, *, first: int | None = None) -> Sequence[Letter]:
    """Take up to `limit` due letters for `LEASE`, oldest first, and return them.

    Of `FIRST` letters at most `first` are among them, or any number. Circulars, of which there may
    be tens of thousands, come after all others: nobody's confirmation waits for them.
    """
    is_circular = Letter.kind == LetterKind.CIRCULAR
    letters: list[Letter] = []
    for which in (~is_circular, is_circular):
        due = (
            select(Letter)
            .where(which, _is_claimable(tx.now, first))
            .order_by(Letter.due_at, Letter.id)
            .limit(limit - len(letters))
            .with_for_update(skip_locked=True)
        )
        for letter in tx.scalars(due):
            letter.lease_until = tx.now + LEASE
            letters.append(letter)
        tx.flush()
        if len(letters) == limit:
            break
    return letters


def has_due(tx: Transaction, *, first: int | None = None) -> bool:
    """Whether `claim` would find a letter: asked first, so that an idle worker never writes."""
    found = tx.scalar(select(Letter.id).where(_is_claimable(tx.now, first)).limit(1))
    return found is not None


def first_due(tx: Transaction) -> int:
    """Return how many `FIRST` letters are due and in no hand."""
    waiting = select(func.count()).where(Letter.kind.in_(FIRST), _is_due(tx.now))
    return tx.scalars(waiting).one()


def first_left(tx: Transaction, an_hour: int) -> int:
    """Return how many more `FIRST` letters may leave now, if `an_hour` may within any hour.

    Counted are those that were sent, and those in hand; an attempt that failed is none. Who is
    about to claim holds off every other worker until the transaction ends.
    """
    if tx.is_writing and tx.get_bind().dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(CLAIMING)))
    gone = select(func.count()).where(
        Letter.kind.in_(FIRST),
        or_(
            and_(Letter.state == LetterState.SENT, Letter.sent_at.between(tx.now - HOUR, tx.now)),
            and_(Letter.state == LetterState.OWED, _is_in_hand(tx.now)),
        ),
    )
    return max(0, an_hour - tx.scalars(gone).one())


def _is_claimable(now: datetime, first: int | None) -> ColumnElement[bool]:
    due = and_(_is_due(now), _is_alone(now))
    if first is None:
        return due
    allowed = (
        select(Letter.id)
        .where(Letter.kind.in_(FIRST), _is_due(now))
        .order_by(Letter.due_at, Letter.id)
        .limit(first)
    )
    return and_(due, or_(Letter.kind.not_in(FIRST), Letter.id.in_(allowed)))


def _is_alone(now: datetime) -> ColumnElement[bool]:
    """Whether no other letter to the same attendee is in hand: two hands at once would tell the
    same thing twice."""
    other = aliased(Letter)
    return ~exists().where(
        other.registration_id == Letter.registration_id,
        other.id != Letter.id,
        other.state == LetterState.OWED,
        other.lease_until > now,
        other.lease_until <= now + 2 * LEASE,
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a letter is owed now, and in no hand.

    A clock that was ahead and has been set right leaves times that are too late. A letter does
    not wait for them: none is posted in the future, nor put off for longer than its delay.
    """
    put_off = case(
        {
            tried: literal(now + delay + LEASE, UtcDateTime)
            for tried, delay in enumerate(DELAYS, start=1)
        },
        value=Letter.attempts,
    )
    return and_(
        Letter.state == LetterState.OWED,
        or_(Letter.lease_until.is_(None), not_(_is_in_hand(now))),
        or_(
            Letter.due_at <= now,
            and_(Letter.attempts == 0, Letter.posted_at > now + SKEW),
            Letter.due_at > put_off,
        ),
    )


def _is_in_hand(now: datetime) -> ColumnElement[bool]:
    # Twice as long as any lease: the clock of the worker that took it may be a little ahead.
    return and_(Letter.lease_until > now, Letter.lease_until <= now + 2 * LEASE)
