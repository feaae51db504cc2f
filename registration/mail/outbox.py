"""The outbox: letters owed, in the same database and transaction as what they tell.

A letter is a row that says what is owed to which registration; it holds nothing personal and is
written when it is sent, from what is then true. `claim` hands due rows to one worker until a
lease ends; whoever sent one marks it. A crash between sending and marking sends it again, with
the same Message-ID: at least once.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, insert, literal, not_, or_, select, update
from sqlalchemy.orm import Session

from ..database import UtcDateTime, is_writing, rows
from ..models import Letter, LetterKind, LetterState

# Longer than a worker may take for a batch (delivery.DEADLINE), so that no letter has two hands.
LEASE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
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


def post(
    session: Session,
    registration_id: int,
    kind: LetterKind,
    *,
    revision: int,
    host: str,
    now: datetime,
) -> None:
    """Owe one letter to a registration. `host` is the Message-ID's domain.

    Its key counts the letters of a kind: confirmation/17/2 is the second one to registration 17.
    """
    post_all(session, [registration_id], kind, revision=revision, host=host, now=now)


def post_all(
    session: Session,
    registration_ids: Sequence[int],
    kind: LetterKind,
    *,
    revision: int,
    host: str,
    now: datetime,
) -> None:
    """Owe a letter of one kind to each of these registrations."""
    for start in range(0, len(registration_ids), 500):
        some = registration_ids[start : start + 500]
        counted = (
            select(Letter.registration_id, func.count())
            .where(Letter.registration_id.in_(some), Letter.kind == kind)
            .group_by(Letter.registration_id)
        )
        counts = dict(session.execute(counted).all())
        posted = [
            {
                "registration_id": number,
                "kind": kind,
                "key": f"{kind.value}/{number}/{counts.get(number, 0) + 1}",
                "revision": revision,
                "message_id": f"<{secrets.token_hex(16)}@{host}>",
                "state": LetterState.OWED,
                "posted_at": now,
                "due_at": now,
                "attempts": 0,
            }
            for number in some
        ]
        session.execute(insert(rows(Letter)), posted)


def drop(session: Session, registration_id: int, kind: LetterKind) -> None:
    """Owe no more letters of a kind to a registration, also not one that is in hand."""
    session.execute(
        update(Letter)
        .where(
            Letter.registration_id == registration_id,
            Letter.kind == kind,
            Letter.state == LetterState.OWED,
        )
        .values(state=LetterState.DROPPED, lease_until=None)
    )


def is_owed(session: Session, letter: Letter) -> bool:
    """Whether a claimed letter is still owed, and still in the same hand."""
    found = session.scalar(
        select(Letter.id).where(
            Letter.id == letter.id,
            Letter.state == LetterState.OWED,
            Letter.lease_until == letter.lease_until,
        )
    )
    return found is not None


def claim(
    session: Session, limit: int, now: datetime, *, first: int | None = None
) -> Sequence[Letter]:
    """Take up to `limit` due letters for `LEASE`, oldest first, and return them.

    Of `FIRST` letters at most `first` are among them, or any number.
    """
    due = (
        select(Letter)
        .where(_is_claimable(now, first))
        .order_by(Letter.due_at, Letter.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    letters = session.scalars(due).all()
    for letter in letters:
        letter.lease_until = now + LEASE
    return letters


def has_due(session: Session, now: datetime, *, first: int | None = None) -> bool:
    """Whether `claim` would find a letter: asked first, so that an idle worker never writes."""
    found = session.scalar(select(Letter.id).where(_is_claimable(now, first)).limit(1))
    return found is not None


def first_due(session: Session, now: datetime) -> int:
    """Return how many `FIRST` letters are due and in no hand."""
    waiting = select(func.count()).where(Letter.kind.in_(FIRST), _is_due(now))
    return session.scalars(waiting).one()


def first_left(session: Session, an_hour: int, now: datetime) -> int:
    """Return how many more `FIRST` letters may leave now, if `an_hour` may within any hour.

    Counted are those that were sent, and those in hand; an attempt that failed is none. Who is
    about to claim holds off every other worker until the transaction ends.
    """
    if is_writing(session) and session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(CLAIMING)))
    gone = select(func.count()).where(
        Letter.kind.in_(FIRST),
        or_(
            and_(Letter.state == LetterState.SENT, Letter.sent_at.between(now - HOUR, now)),
            and_(Letter.state == LetterState.OWED, _is_in_hand(now)),
        ),
    )
    return max(0, an_hour - session.scalars(gone).one())


def _is_claimable(now: datetime, first: int | None) -> ColumnElement[bool]:
    if first is None:
        return _is_due(now)
    allowed = (
        select(Letter.id)
        .where(Letter.kind.in_(FIRST), _is_due(now))
        .order_by(Letter.due_at, Letter.id)
        .limit(first)
    )
    return and_(_is_due(now), or_(Letter.kind.not_in(FIRST), Letter.id.in_(allowed)))


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
            and_(Letter.attempts == 0, Letter.posted_at > now),
            Letter.due_at > put_off,
        ),
    )


def _is_in_hand(now: datetime) -> ColumnElement[bool]:
    # Twice as long as any lease: the clock of the worker that took it may be a little ahead.
    return and_(Letter.lease_until > now, Letter.lease_until <= now + 2 * LEASE)


def every(session: Session) -> Sequence[Letter]:
    """Return all letters, in the order they were posted."""
    return session.scalars(select(Letter).order_by(Letter.id)).all()


def mark_sent(session: Session, letter: Letter, answer: str, now: datetime) -> bool:
    """Record that the letter was accepted, with the (redacted) words of who took it.

    Returns False if nothing was recorded: the registration is erased, or another hand has it.
    """
    return _mark(
        session,
        letter,
        state=LetterState.SENT,
        sent_at=now,
        attempts=letter.attempts + 1,
        server_answer=answer,
    )


def mark_retry(session: Session, letter: Letter, answer: str, now: datetime) -> None:
    """Record an attempt that may succeed later; after the last one the letter has failed."""
    attempts = letter.attempts + 1
    if attempts > len(DELAYS):
        mark_failed(session, letter, answer, now)
        return
    due = now + DELAYS[attempts - 1]
    _mark(session, letter, attempts=attempts, due_at=due, server_answer=answer)


def mark_failed(session: Session, letter: Letter, answer: str, now: datetime) -> None:
    """Record that the letter was refused for good, or could not be written: `due_at` says when."""
    _mark(
        session,
        letter,
        state=LetterState.FAILED,
        due_at=now,
        attempts=letter.attempts + 1,
        server_answer=answer,
    )


def mark_dropped(session: Session, letter: Letter) -> None:
    """Record that what the letter would tell is no longer true."""
    _mark(session, letter, state=LetterState.DROPPED)


def release(session: Session, letter: Letter, answer: str) -> None:
    """Give a claimed letter back untried, with the reason; that is no attempt."""
    _mark(session, letter, server_answer=answer)


def _mark(session: Session, letter: Letter, **values: object) -> bool:
    # Only while it is still ours: after an erasure there is no row, after a lease another hand.
    marked = session.scalars(
        update(Letter)
        .where(Letter.id == letter.id, Letter.lease_until == letter.lease_until)
        .values(lease_until=None, **values)
        .returning(Letter.id)
    )
    return marked.one_or_none() is not None


def held(session: Session) -> Sequence[int]:
    """Return the ids of the letters that a restore held back."""
    return session.scalars(
        select(Letter.id).where(Letter.state == LetterState.HELD).order_by(Letter.id)
    ).all()


def retry(session: Session, ids: Sequence[int], now: datetime) -> int:
    """Owe failed and held letters again, now; return how many."""
    owed = session.scalars(
        update(Letter)
        .where(
            Letter.id.in_(ids),
            Letter.state.in_([LetterState.FAILED, LetterState.HELD, LetterState.OWED]),
        )
        .values(state=LetterState.OWED, due_at=now, attempts=0)
        .returning(Letter.id)
    )
    return len(owed.all())
