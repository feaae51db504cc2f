"""Cancels and restores discussions, and owes attendees the letters about it."""

from datetime import datetime

from ...database import Transaction
from ...models import Discussion, DiscussionStatus
from ...refusals import Refusal
from .. import catalog
from ..notices import change_notices
from ..seats import allocation
from . import publication, reschedule

MAX_REASON_CHARACTERS = 500


class NotCancelled(Refusal):
    """The discussion's status or time does not allow to cancel or to restore it."""


def cancel(tx: Transaction, slug: str, why: str) -> int:
    """Cancel a discussion that is not over; return how many letters that owes.

    Cancelling it again changes only the reason. Raises `NoSuchDiscussion`, `NotCancelled`.
    """
    discussion = catalog.find(tx, slug, lock=True)
    refuse_to_cancel(discussion, tx.now)
    was_on = not discussion.is_cancelled
    if discussion.cancelled_why == why:
        return 0
    discussion.status, discussion.cancelled_why = DiscussionStatus.CANCELLED, why
    discussion.sequence += was_on
    publication.record_change(tx, discussion)
    return change_notices.owe_changes(tx, discussion)


def restore(tx: Transaction, slug: str) -> int:
    """Take a cancellation back; return how many letters that owes.

    Raises `NoSuchDiscussion`, `NotCancelled`.
    """
    discussion = catalog.find(tx, slug, lock=True)
    refuse_to_restore(discussion, tx.now)
    discussion.status, discussion.cancelled_why = DiscussionStatus.PUBLISHED, None
    discussion.sequence += 1
    # Nobody was told of a new time while it was cancelled: the letter owed now tells it.
    reschedule.move_erasure_dates(tx, discussion, is_told=True)
    publication.record_change(tx, discussion)
    changes = change_notices.owe_changes(tx, discussion)
    if changes:
        # That letter is a reminder too: do not catch up on reminders whose time has passed.
        discussion.time_set_at = tx.now
    return changes + allocation.owe_dropped_letters(tx, discussion)


def refuse_to_cancel(discussion: Discussion, now: datetime) -> None:
    """Raise `NotCancelled` if a discussion cannot be cancelled."""
    slug = discussion.slug
    if not discussion.is_public:
        raise NotCancelled(f"{slug} is unpublished: publish it, so that it can be cancelled.")
    if discussion.ends_at <= now:
        raise NotCancelled(f"{slug} has taken place: it cannot be cancelled any more.")


def refuse_to_restore(discussion: Discussion, now: datetime) -> None:
    """Raise `NotCancelled` if a discussion cannot be restored."""
    slug = discussion.slug
    if not discussion.is_cancelled:
        raise NotCancelled(f"{slug} is not cancelled.")
    if not discussion.is_public:
        raise NotCancelled(f"{slug} is unpublished: publish it, so that it can take place.")
    if discussion.ends_at <= now:
        raise NotCancelled(f"{slug} would be over: give it a time to come first.")
