"""Results of claimed letters: sent, to be retried, failed, dropped or released.

A result is recorded only while its worker holds the lease: an erasure may have deleted the row, and
after the lease ends another worker may have claimed it.
"""

from sqlalchemy import update

from ..database import Transaction, to_next_minute
from ..models import Letter, LetterState
from .lease import RETRY_DELAYS


def mark_sent(tx: Transaction, letter: Letter, answer: str) -> bool:
    """Record that the mail server accepted the letter, with its (redacted) answer.

    Returns False if nothing was recorded: the registration is erased, or another worker has the
    letter.
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
    """Record a temporary failure; after the last attempt the letter has failed."""
    attempts = letter.attempts + 1
    if attempts > len(RETRY_DELAYS):
        mark_failed(tx, letter, answer)
        return
    due = to_next_minute(tx.now + RETRY_DELAYS[attempts - 1])
    _mark(tx, letter, attempts=attempts, due_at=due, server_answer=answer)


def mark_failed(tx: Transaction, letter: Letter, answer: str) -> None:
    """Record that the letter was refused for good or could not be composed, with the time."""
    _mark(
        tx,
        letter,
        state=LetterState.FAILED,
        due_at=tx.now,
        attempts=letter.attempts + 1,
        server_answer=answer,
    )


def mark_dropped(tx: Transaction, letter: Letter) -> None:
    """Record that the letter is not sent, because its content is no longer true."""
    _mark(tx, letter, state=LetterState.DROPPED)


def release(tx: Transaction, letter: Letter, answer: str) -> None:
    """End the lease of a letter that was not tried, with the reason; it counts as no attempt."""
    _mark(tx, letter, server_answer=answer)


def _mark(tx: Transaction, letter: Letter, **values: object) -> bool:
    marked = tx.scalars(
        update(Letter)
        .where(Letter.id == letter.id, Letter.lease_until == letter.lease_until)
        .values(lease_until=None, **values)
        .returning(Letter.id)
    )
    return marked.one_or_none() is not None
