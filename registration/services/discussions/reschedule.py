"""Adapts reminders and dates of erasure to a discussion's new time."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update

from ... import outbox
from ...config import Settings
from ...database import Transaction
from ...models import Discussion, LetterKind, Registration
from ...refusals import Refusal


class MustBeTold(Refusal):
    """Without a letter, data would be kept longer than promised, or attendees would get seats."""


def follow_new_time(tx: Transaction, discussion: Discussion, *, quiet: bool) -> None:
    """Drop reminders of the old time, and move attendees' dates of erasure.

    Raises `MustBeTold` if it is `quiet` and data would be kept longer than promised.
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
    """Move attendees' dates of erasure with the discussion; to later ones only if `is_told`."""
    erase_at = _erase_at(discussion, tx.settings)
    moved = update(Registration).where(*_coming(discussion))
    if not is_told:
        moved = moved.where(Registration.erase_at > erase_at)
    tx.execute(moved.values(erase_at=erase_at))


def _is_anybody_held_longer(tx: Transaction, discussion: Discussion) -> bool:
    sooner = Registration.erase_at < _erase_at(discussion, tx.settings)
    registration_id = tx.scalar(
        select(Registration.id).where(*_coming(discussion), sooner).limit(1)
    )
    return registration_id is not None


def _erase_at(discussion: Discussion, settings: Settings) -> datetime:
    return discussion.ends_at + timedelta(days=settings.retention_days)


def _coming(discussion: Discussion) -> tuple[ColumnElement[bool], ...]:
    return (
        Registration.discussion_id == discussion.id,
        Registration.confirmed_at.is_not(None),
        Registration.withdrawn_at.is_(None),
        Registration.registered_at <= discussion.ends_at,
    )
