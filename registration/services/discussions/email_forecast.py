"""Counts the letters that a change would owe, for pages that say so before the button is pressed.

Nothing is written or locked.
"""

from dataclasses import replace

from sqlalchemy import func, select

from ...database import Transaction
from ...models import Announcement, Discussion, DiscussionStatus, Essentials
from ..attendees import statistics
from ..notices import change_notices, follow_ups
from ..seats import allocation
from . import cancellation, publication


def count_if_published(tx: Transaction, discussion: Discussion, announcement: Announcement) -> int:
    """Return how many letters publishing `announcement` would owe.

    Raises `MovedIntoThePast`.
    """
    changed = publication.differences(discussion.announcement, announcement)
    if not changed and discussion.is_public:
        return 0
    publication.refuse_past(discussion, announcement, tx.now)
    content = announcement.content
    would_be = Essentials(announcement.when, discussion.is_cancelled, content.join_url)
    owed = change_notices.count(tx, discussion, would_be)
    if discussion.is_cancelled:
        return owed
    if announcement.seats != discussion.seats:
        owed += _count_promoted(tx, discussion, announcement)
    return owed + follow_ups.count(tx, discussion, content)


def count_if_cancelled(tx: Transaction, discussion: Discussion) -> int:
    """Return how many letters cancelling would owe. Raises `NotCancelled`."""
    cancellation.refuse_to_cancel(discussion, tx.now)
    would_be = replace(discussion.essentials, is_cancelled=True)
    return change_notices.count(tx, discussion, would_be)


def count_if_restored(tx: Transaction, discussion: Discussion) -> int:
    """Return how many letters restoring would owe. Raises `NotCancelled`."""
    cancellation.refuse_to_restore(discussion, tx.now)
    would_be = replace(discussion.essentials, is_cancelled=False)
    untold = select(func.count()).select_from(allocation.select_untold(discussion).subquery())
    return change_notices.count(tx, discussion, would_be) + tx.scalars(untold).one()


def _count_promoted(tx: Transaction, discussion: Discussion, announcement: Announcement) -> int:
    """Return how many waiting attendees would get a seat."""
    would_be = Discussion(slug=discussion.slug, status=DiscussionStatus.PUBLISHED)
    would_be.announcement = announcement
    if would_be.is_over(tx.now):
        return 0
    waiting = statistics.count_by_status(tx, discussion).waiting
    if announcement.seats is None:
        return waiting
    free = announcement.seats - allocation.count_taken(tx, discussion)
    return min(waiting, max(0, free))
