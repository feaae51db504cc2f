"""What follows when the time of a discussion has moved: reminders, and the day of erasure."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update

from ... import outbox
from ...config import Settings
from ...database import Transaction
from ...models import Discussion, LetterKind, Registration
from ...refusals import Refusal


class MustBeTold(Refusal):
    """Attendees would be held for longer than they were promised, and not be told."""


def follow_new_time(tx: Transaction, discussion: Discussion, *, quiet: bool) -> None:
    """Owe no more reminders of the time that was, and erase who comes so long after the discussion
    as they were told.

    Raises `MustBeTold` if that is later than promised, and nobody is to be told.
    """
    outbox.drop_all(tx, discussion.id, LetterKind.REMINDER)
    if quiet and _is_anybody_held_longer(tx, discussion):
        raise MustBeTold(
            f"{discussion.slug}: attendees would be held for longer than they were promised, "
            "and must be told so: it cannot be published quietly."
        )
    is_told = not discussion.is_cancelled and discussion.ends_at > tx.now
    move_erasure_dates(tx, discussion, is_told=is_told)


def move_erasure_dates(tx: Transaction, discussion: Discussion, *, is_told: bool) -> None:
    """Let the day of erasure follow the discussion: later only where a letter says so."""
    erase_at = _erase_at(discussion, tx.settings)
    moved = update(Registration).where(*_coming(discussion))
    if not is_told:
        moved = moved.where(Registration.erase_at > erase_at)
    tx.execute(moved.values(erase_at=erase_at))


def _is_anybody_held_longer(tx: Transaction, discussion: Discussion) -> bool:
    sooner = Registration.erase_at < _erase_at(discussion, tx.settings)
    found = tx.scalar(select(Registration.id).where(*_coming(discussion), sooner).limit(1))
    return found is not None


def _erase_at(discussion: Discussion, settings: Settings) -> datetime:
    return discussion.ends_at + timedelta(days=settings.retention_days)


def _coming(discussion: Discussion) -> tuple[ColumnElement[bool], ...]:
    return (
        Registration.discussion_id == discussion.id,
        Registration.confirmed_at.is_not(None),
        Registration.withdrawn_at.is_(None),
        Registration.registered_at <= discussion.ends_at,
    )
