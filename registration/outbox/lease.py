"""Leases: a worker claims due letters, and no other worker gets them until the lease ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, not_, or_, select
from sqlalchemy.orm import aliased

from ..database import Transaction, UtcDateTime
from ..models import Letter, LetterKind, LetterState

# Longer than a worker may take for a batch (delivery.BATCH_TIMEOUT_SECONDS), so that two workers
# never hold the same letter.
LEASE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# Clocks may differ, or be set back, by this much without one of them being wrong.
CLOCK_SKEW = timedelta(minutes=1)
# The id of PostgreSQL's advisory lock for claims; SQLite has a single writer anyway.
CLAIM_LOCK_ID = 1
# Anybody can make the service send these to an address that is not their own.
RATE_LIMITED_KINDS = [
    LetterKind.ADDRESS_CONFIRMATION,
    LetterKind.ALREADY_REGISTERED,
    LetterKind.LINK,
    LetterKind.ADDRESS_CHANGE,
]
# The delay after each temporary failure; after the last one the letter has failed.
RETRY_DELAYS = [
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
    """Whether a claimed letter is still owed, and still under the same lease."""
    letter_id = tx.scalar(
        select(Letter.id).where(
            Letter.id == letter.id,
            Letter.state == LetterState.OWED,
            Letter.lease_until == letter.lease_until,
        )
    )
    return letter_id is not None


def has_owed(tx: Transaction, registration_id: int | None, kind: LetterKind) -> bool:
    """Whether a letter of a kind is owed to a registration."""
    letter_id = tx.scalar(
        select(Letter.id)
        .where(
            Letter.registration_id == registration_id,
            Letter.kind == kind,
            Letter.state == LetterState.OWED,
        )
        .limit(1)
    )
    return letter_id is not None


def sent_before(tx: Transaction, registration_id: int) -> tuple[int, datetime | None]:
    """Return the number of letters sent to a registration, and the minute of the last one."""
    sent = Letter.state == LetterState.SENT
    counted = select(func.count(), func.max(Letter.sent_at))
    row = tx.execute(counted.where(Letter.registration_id == registration_id, sent)).one()
    return row[0], row[1]


def claim(tx: Transaction, limit: int, *, max_limited: int | None = None) -> Sequence[Letter]:
    """Lease up to `limit` due letters, oldest first, and return them.

    At most `max_limited` of them are of `RATE_LIMITED_KINDS`; None sets no limit. Mailings come
    after all others: there may be tens of thousands, and no confirmation may wait for them.
    """
    is_mailing = Letter.kind == LetterKind.MAILING
    letters: list[Letter] = []
    for condition in (~is_mailing, is_mailing):
        due = select(Letter).where(condition, _is_claimable(tx.now, max_limited))
        oldest = due.order_by(Letter.due_at, Letter.id).limit(limit - len(letters))
        for letter in tx.scalars(oldest.with_for_update(skip_locked=True)):
            letter.lease_until = tx.now + LEASE
            letters.append(letter)
        tx.flush()
        if len(letters) == limit:
            break
    return letters


def has_due(tx: Transaction, *, max_limited: int | None = None) -> bool:
    """Whether `claim` would return a letter. An idle worker asks this instead of writing."""
    letter_id = tx.scalar(select(Letter.id).where(_is_claimable(tx.now, max_limited)).limit(1))
    return letter_id is not None


def rate_limited_due(tx: Transaction) -> int:
    """Return how many letters of `RATE_LIMITED_KINDS` are due and not leased."""
    waiting = select(func.count()).where(Letter.kind.in_(RATE_LIMITED_KINDS), _is_due(tx.now))
    return tx.scalars(waiting).one()


def rate_limited_left(tx: Transaction, an_hour: int) -> int:
    """Return how many more letters of `RATE_LIMITED_KINDS` may be sent now, at `an_hour` an hour.

    Sent and leased letters count; failed attempts do not. In a writing transaction this locks all
    other workers out until the transaction ends, so that two claims do not exceed the limit.
    """
    if tx.is_writing and tx.get_bind().dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(CLAIM_LOCK_ID)))
    counted = select(func.count()).where(
        Letter.kind.in_(RATE_LIMITED_KINDS),
        or_(
            and_(Letter.state == LetterState.SENT, Letter.sent_at.between(tx.now - HOUR, tx.now)),
            and_(Letter.state == LetterState.OWED, _is_in_hand(tx.now)),
        ),
    )
    return max(0, an_hour - tx.scalars(counted).one())


def _is_claimable(now: datetime, max_limited: int | None) -> ColumnElement[bool]:
    due = and_(_is_due(now), _is_alone(now))
    if max_limited is None:
        return due
    allowed = (
        select(Letter.id)
        .where(Letter.kind.in_(RATE_LIMITED_KINDS), _is_due(now))
        .order_by(Letter.due_at, Letter.id)
        .limit(max_limited)
    )
    return and_(due, or_(Letter.kind.not_in(RATE_LIMITED_KINDS), Letter.id.in_(allowed)))


def _is_alone(now: datetime) -> ColumnElement[bool]:
    """Whether no other letter to the same attendee is leased.

    Two workers at once would tell the attendee the same thing twice.
    """
    other = aliased(Letter)
    return ~exists().where(
        other.registration_id == Letter.registration_id,
        other.id != Letter.id,
        other.state == LetterState.OWED,
        other.lease_until > now,
        other.lease_until <= now + 2 * LEASE,
    )


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a letter is owed now, and not leased.

    After a clock that ran ahead is corrected, some `due_at` lie too far in the future. Such a
    letter is due at once: it was posted in the future, or is put off for longer than its delay.
    """
    put_off = case(
        {
            tried: literal(now + delay + LEASE, UtcDateTime)
            for tried, delay in enumerate(RETRY_DELAYS, start=1)
        },
        value=Letter.attempts,
    )
    return and_(
        Letter.state == LetterState.OWED,
        or_(Letter.lease_until.is_(None), not_(_is_in_hand(now))),
        or_(
            Letter.due_at <= now,
            and_(Letter.attempts == 0, Letter.posted_at > now + CLOCK_SKEW),
            Letter.due_at > put_off,
        ),
    )


def _is_in_hand(now: datetime) -> ColumnElement[bool]:
    # Twice the lease's length: the clock of the worker that claimed it may be a little ahead.
    return and_(Letter.lease_until > now, Letter.lease_until <= now + 2 * LEASE)
