"""A change of a discussion: its SEQUENCE, its revision, and what follows for its attendees."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import insert

from ...database import Transaction
from ...models import Discussion, DiscussionStatus, Revision, When
from ..installation import note_content_change
from ..notices import change_notices
from . import reschedule


@dataclass(frozen=True, slots=True)
class Before:
    """The state of a discussion before a change, as SEQUENCE and reminders need it."""

    when: When
    status: DiscussionStatus
    is_cancelled: bool

    @classmethod
    def of(cls, discussion: Discussion) -> "Before":
        """Return the present state."""
        return cls(discussion.when, discussion.status, discussion.is_cancelled)


def follow(
    tx: Transaction,
    discussion: Discussion,
    before: Before,
    *,
    quiet: bool = False,
    resets_reminders: bool = False,
) -> int:
    """Carry out what follows from a change; return how many letters it owes.

    SEQUENCE rises with time and status. Reminders and the date of erasure follow the time. A letter
    that tells a new time is a reminder too, so reminders whose moment has passed are not sent late;
    `resets_reminders` says the same of any change. Raises `MustBeTold`.
    """
    has_moved = discussion.when != before.when
    is_on_again = before.is_cancelled and not discussion.is_cancelled
    discussion.sequence += has_moved or discussion.status is not before.status
    _count_change(tx, discussion, quiet=quiet)
    if has_moved:
        reschedule.move(tx, discussion, quiet=quiet)
    elif is_on_again:
        # Nobody was told of a move while it was cancelled; now the letters tell it.
        reschedule.move_erasure_dates(tx, discussion)
    letters = 0 if quiet else change_notices.owe_changes(tx, discussion)
    if resets_reminders or ((has_moved or is_on_again) and (quiet or letters)):
        discussion.time_set_at = tx.now
    return letters


def keep_revision(tx: Transaction, discussion: Discussion) -> None:
    """Keep what is public of a discussion as the revision of its version."""
    tx.execute(
        insert(Revision).values(
            discussion_id=discussion.id,
            number=discussion.version,
            snapshot=discussion.snapshot,
            created_at=tx.now,
        )
    )
    note_content_change(tx)


def _count_change(tx: Transaction, discussion: Discussion, *, quiet: bool) -> None:
    discussion.version += 1
    if not quiet:
        discussion.loud_version = discussion.version
    # Clients compare whole seconds (DTSTAMP, Last-Modified): two changes must differ in them.
    discussion.changed_at = max(tx.now, discussion.changed_at + timedelta(seconds=1))
    tx.flush()
    keep_revision(tx, discussion)
