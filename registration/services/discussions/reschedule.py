"""Adapts reminders and dates of erasure to a discussion's new time."""

from datetime import datetime

from sqlalchemy import ColumnExpressionArgument, select, update

from ... import outbox
from ...config import Settings
from ...database import Transaction
from ...models import Discussion, LetterKind, Registration
from ...refusals import N_, Refusal
from ..seats import retention


class MustBeTold(Refusal):
    """Publishing changes something for attendees, so that it cannot be quiet."""


class HeldLonger(MustBeTold):
    """Attendees would be held for longer than they were promised, and not be told."""

    sentence = N_(
        "%(slug)s: attendees would be held for longer than they were promised, and must be told "
        "so: it cannot be published quietly."
    )


def move(tx: Transaction, discussion: Discussion, *, quiet: bool) -> None:
    """Drop the reminders of the old time, and let the dates of erasure follow the new one.

    Raises `MustBeTold` if it is `quiet` and data would be kept longer than promised.
    """
    outbox.drop_all(tx, discussion.id, LetterKind.REMINDER)
    if quiet and _is_anybody_held_longer(tx, discussion):
        raise HeldLonger(slug=discussion.slug)
    move_erasure_dates(tx, discussion)


def move_erasure_dates(tx: Transaction, discussion: Discussion) -> None:
    """Let the day of erasure follow the discussion: later only where a letter says so."""
    is_told = not discussion.is_cancelled and discussion.ends_at > tx.now
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
    """Return when everybody is erased who registered before the end."""
    return retention.erase_at(discussion, discussion.ends_at, settings)


def _coming(discussion: Discussion) -> tuple[ColumnExpressionArgument[bool], ...]:
    return (
        Registration.discussion_id == discussion.id,
        Registration.is_registered,
        Registration.registered_at <= discussion.ends_at,
    )
