"""Cancels and restores discussions, and owes attendees the letters about it."""

from datetime import datetime

from ...database import Transaction
from ...models import Discussion, DiscussionStatus
from ...refusals import N_, Refusal
from .. import catalog
from ..seats import allocation
from . import change
from .change import Before

MAX_REASON_CHARACTERS = 500


class NotCancelled(Refusal):
    """The discussion's status or time does not allow to cancel or to restore it."""


class CancelsUnpublished(NotCancelled):
    """An unpublished discussion cannot be cancelled."""

    sentence = N_("%(slug)s is unpublished: publish it, so that it can be cancelled.")


class CancelsPast(NotCancelled):
    """A discussion that is over cannot be cancelled."""

    sentence = N_("%(slug)s has taken place: it cannot be cancelled any more.")


class RestoresUncancelled(NotCancelled):
    """There is no cancellation to take back."""

    sentence = N_("%(slug)s is not cancelled.")


class RestoresUnpublished(NotCancelled):
    """An unpublished discussion cannot take place after all."""

    sentence = N_("%(slug)s is unpublished: publish it, so that it can take place.")


class RestoresPast(NotCancelled):
    """The time of the cancelled discussion has passed."""

    sentence = N_("%(slug)s would be over: give it a time to come first.")


def cancel(tx: Transaction, slug: str, why: str) -> int:
    """Cancel a discussion that is not over; return how many letters that owes.

    Cancelling it again changes only the reason. Raises `NoSuchDiscussion`, `NotCancelled`.
    """
    discussion = catalog.find(tx, slug, lock=True)
    refuse_to_cancel(discussion, tx.now)
    if discussion.cancelled_why == why:
        return 0
    before = Before.of(discussion)
    discussion.status, discussion.cancelled_why = DiscussionStatus.CANCELLED, why
    return change.follow(tx, discussion, before)


def restore(tx: Transaction, slug: str) -> int:
    """Take a cancellation back; return how many letters that owes.

    Raises `NoSuchDiscussion`, `NotCancelled`.
    """
    discussion = catalog.find(tx, slug, lock=True)
    refuse_to_restore(discussion, tx.now)
    before = Before.of(discussion)
    discussion.status, discussion.cancelled_why = DiscussionStatus.PUBLISHED, None
    return change.follow(tx, discussion, before) + allocation.owe_dropped_letters(tx, discussion)


def refuse_to_cancel(discussion: Discussion, now: datetime) -> None:
    """Raise `NotCancelled` if a discussion cannot be cancelled."""
    slug = discussion.slug
    if not discussion.is_public:
        raise CancelsUnpublished(slug=slug)
    if discussion.ends_at <= now:
        raise CancelsPast(slug=slug)


def refuse_to_restore(discussion: Discussion, now: datetime) -> None:
    """Raise `NotCancelled` if a discussion cannot be restored."""
    slug = discussion.slug
    if not discussion.is_cancelled:
        raise RestoresUncancelled(slug=slug)
    if not discussion.is_public:
        raise RestoresUnpublished(slug=slug)
    if discussion.ends_at <= now:
        raise RestoresPast(slug=slug)
