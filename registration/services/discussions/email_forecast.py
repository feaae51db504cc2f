"""Counts the letters that a change would owe, for pages that say so before the button is pressed.

Nothing is written or locked.
"""

from dataclasses import replace

from sqlalchemy import func, select

from ...database import Transaction
from ...models import Announcement, Discussion
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
    would_be = _would_be(discussion, announcement)
    owed = change_notices.count(tx, discussion, would_be.essentials)
    if would_be.seats != discussion.seats:
        owed += allocation.count_promoted(tx, would_be)
    return owed + follow_ups.count(tx, would_be, discussion.content)


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


def _would_be(discussion: Discussion, announcement: Announcement) -> Discussion:
    """Return the discussion as it would be, with its id: only to be counted with."""
    would_be = Discussion(
        id=discussion.id,
        slug=discussion.slug,
        status=publication.public_status(discussion),
        cancelled_why=discussion.cancelled_why,
    )
    would_be.announcement = announcement
    return would_be
