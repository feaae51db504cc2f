"""What came of a letter in hand. Only whose hand it is in records it: after an erasure there is no
row, after a lease another hand has it."""

from sqlalchemy import update

from ..database import Transaction
from ..models import Letter, LetterState
from .lease import DELAYS


def mark_sent(tx: Transaction, letter: Letter, answer: str) -> bool:
    """Record that the letter was accepted, with the (redacted) words of who took it.

    Returns False if nothing was recorded: the registration is erased, or another hand has it.
    """
    return _mark(
        tx,
        letter,
        state=LetterState.SENT,
        sent_at=tx.now,
        attempts=letter.attempts + 1,
        server_answer=answer,
    )


def mark_retry(tx: Transaction, letter: Letter, answer: str) -> None:
    """Record an attempt that may succeed later; after the last one the letter has failed."""
    attempts = letter.attempts + 1
    if attempts > len(DELAYS):
        mark_failed(tx, letter, answer)
        return
    due = tx.now + DELAYS[attempts - 1]
    _mark(tx, letter, attempts=attempts, due_at=due, server_answer=answer)


def mark_failed(tx: Transaction, letter: Letter, answer: str) -> None:
    """Record that the letter was refused for good, or could not be written: `due_at` says when."""
    _mark(
        tx,
        letter,
        state=LetterState.FAILED,
        due_at=tx.now,
        attempts=letter.attempts + 1,
        server_answer=answer,
    )


def mark_dropped(tx: Transaction, letter: Letter) -> None:
    """Record that what the letter would tell is no longer true."""
    _mark(tx, letter, state=LetterState.DROPPED)


def release(tx: Transaction, letter: Letter, answer: str) -> None:
    """Give a claimed letter back untried, with the reason; that is no attempt."""
    _mark(tx, letter, server_answer=answer)


def _mark(tx: Transaction, letter: Letter, **values: object) -> bool:
    marked = tx.scalars(
        update(Letter)
        .where(Letter.id == letter.id, Letter.lease_until == letter.lease_until)
        .values(lease_until=None, **values)
        .returning(Letter.id)
    )
    return marked.one_or_none() is not None
