"""What came of a letter in hand. Only whose hand it is in records it: after an erasure there is no
row, after a lease another hand has it."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from ..models import Letter, LetterState
from .lease import DELAYS


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
    marked = session.scalars(
        update(Letter)
        .where(Letter.id == letter.id, Letter.lease_until == letter.lease_until)
        .values(lease_until=None, **values)
        .returning(Letter.id)
    )
    return marked.one_or_none() is not None
