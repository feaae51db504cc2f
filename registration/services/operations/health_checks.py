"""Reports what is wrong with the service, and its figures, as counts without personal data."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from sqlalchemy import ColumnElement, case, exists, func, literal, select, text

from ... import outbox
from ...database import Transaction, UtcDateTime
from ...models import (
    Discussion,
    Erasure,
    Installation,
    Letter,
    LetterKind,
    LetterState,
    Registration,
)
from .. import rate_limits
from ..erasure import answers, ledger
from ..organizers import failed_sign_ins

# A letter that is due for longer, beyond the delays of its attempts, is stuck.
MAX_LETTER_WAIT = timedelta(minutes=15)
# The worker makes a round every hour: one may be missed, two may not.
ROUND_OVERDUE = timedelta(hours=3)
ERASURE_OVERDUE = timedelta(hours=2)
BACKUP_OVERDUE = timedelta(days=2)
FAILURE_SHOWN = timedelta(days=1)

_OWED = Letter.state == LetterState.OWED


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts; `oldest_due` is an age in seconds, `last_...` are Unix seconds, 0 for never.

    `failed_sign_ins` counts those of the last 24 hours.
    """

    letters: dict[LetterState, int]
    oldest_due: float
    erasures_due: int
    erasures: int
    last_round: float
    last_backup: float
    failed_sign_ins: int
    schema: str


def problems(tx: Transaction) -> list[str]:
    """Return a sentence for each thing that is wrong, without numbers of letters or people."""
    own = tx.get_one(Installation, 1)
    is_held = rate_limits.breaker_is_open(tx)
    checks = {
        "Mail is stuck: a letter has waited for more than 15 minutes.": _is_stuck(
            tx, without_first=is_held
        ),
        "As many first letters as LETTERS_AN_HOUR allows have left: further ones wait.": is_held,
        "A letter has failed within the last day.": _has_failed(tx),
        "Erasure is overdue: a registration is held for longer than was promised.": _exists(
            tx, Registration.erase_at < tx.now - ERASURE_OVERDUE
        )
        or _has_overdue_answers(tx),
        "No round has been made for 3 hours: does the worker run?": _is_round_overdue(tx, own),
        "Erasure waits: the clock has jumped.": own.clock_jumped_at is not None,
        "What is erased cannot be noted beside the keys: a restored backup would have it again.": (
            not ledger.is_writable(tx.settings.keys)
        ),
        "There is no backup of the last 2 days.": _is_backup_overdue(tx, own),
    }
    return [sentence for sentence, holds in checks.items() if holds]


def figures(tx: Transaction) -> Figures:
    """Return the figures of the installation."""
    own = tx.get_one(Installation, 1)
    by_state = select(Letter.state, func.count()).group_by(Letter.state)
    oldest = tx.scalar(select(func.min(Letter.due_at)).where(_OWED, Letter.due_at <= tx.now))
    due = select(func.count()).where(Registration.erase_at <= tx.now)
    return Figures(
        letters=dict.fromkeys(LetterState, 0) | dict(tx.execute(by_state).all()),
        oldest_due=(tx.now - oldest).total_seconds() if oldest else 0.0,
        erasures_due=tx.scalars(due).one(),
        erasures=tx.scalars(select(func.count(Erasure.public_id))).one(),
        last_round=own.last_round_at.timestamp() if own.last_round_at else 0.0,
        last_backup=own.last_backup_at.timestamp() if own.last_backup_at else 0.0,
        failed_sign_ins=failed_sign_ins.count_last_day(tx),
        schema=tx.scalars(text("SELECT version_num FROM alembic_version")).one(),
    )


def _is_stuck(tx: Transaction, *, without_first: bool) -> bool:
    """Whether a letter is due for too long. Each attempt has moved `due_at` by its delay."""
    moved = list(accumulate(outbox.RETRY_DELAYS, initial=tx.now - MAX_LETTER_WAIT))
    latest = {tried: literal(limit, UtcDateTime) for tried, limit in enumerate(moved)}
    waiting = [*outbox.RATE_LIMITED_KINDS] if without_first else []
    # Sending a large mailing takes longer: it is not stuck while any letter is sent.
    if _exists(tx, Letter.state == LetterState.SENT, Letter.sent_at > tx.now - MAX_LETTER_WAIT):
        waiting.append(LetterKind.MAILING)
    kinds = Letter.kind.not_in(waiting)
    return _exists(
        tx,
        _OWED,
        Letter.due_at < moved[-1],
        Letter.due_at < case(latest, value=Letter.attempts),
        kinds,
    )


def _has_failed(tx: Transaction) -> bool:
    # A letter that failed keeps the time of its last attempt.
    return _exists(tx, Letter.state == LetterState.FAILED, Letter.due_at > tx.now - FAILURE_SHOWN)


def _has_overdue_answers(tx: Transaction) -> bool:
    """Whether answers are kept for longer than an installation at risk promises."""
    due = answers.is_due(tx.now - ERASURE_OVERDUE) & (Discussion.id == Registration.discussion_id)
    return tx.settings.at_risk and _exists(tx, due)


def _is_round_overdue(tx: Transaction, own: Installation) -> bool:
    """Whether the last round is too long ago; without any, whether a discussion is that old."""
    if own.last_round_at is not None:
        return own.last_round_at < tx.now - ROUND_OVERDUE
    return _exists(tx, Discussion.published_at < tx.now - ROUND_OVERDUE)


def _is_backup_overdue(tx: Transaction, own: Installation) -> bool:
    """Whether the last backup is too long ago; a private installation needs no first one."""
    if own.last_backup_at is not None:
        return own.last_backup_at < tx.now - BACKUP_OVERDUE
    is_old = _exists(tx, Discussion.published_at < tx.now - BACKUP_OVERDUE)
    return tx.settings.is_public and is_old


def _exists(tx: Transaction, *conditions: ColumnElement[bool]) -> bool:
    return bool(tx.scalar(select(exists().where(*conditions))))
