"""Finds discussions by slug, and lists them."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from ..database import Transaction, comparable
from ..models import Discussion
from ..refusals import N_, Refusal


class NoSuchDiscussion(Refusal):
    """There is no discussion with that slug."""

    sentence = N_("There is no discussion %(slug)s.")


class DiscussionUnpublished(Refusal):
    """The discussion was unpublished: its page and file answer 410."""

    sentence = N_("This discussion is not public any more.")


def list_all(tx: Transaction) -> Sequence[Discussion]:
    """Return every discussion, unpublished ones too, the earliest first."""
    return tx.scalars(select(Discussion).order_by(Discussion.starts_at, Discussion.slug)).all()


def list_public(tx: Transaction) -> list[Discussion]:
    """Return every discussion that is not unpublished, the earliest first."""
    return [item for item in list_all(tx) if item.is_public]


def _has_slug(slug: str) -> ColumnElement[bool]:
    return Discussion.slug == comparable(slug)


def find_id(tx: Transaction, slug: str) -> int:
    """Return the id of the discussion with that slug, or raise `NoSuchDiscussion`."""
    found = tx.scalar(select(Discussion.id).where(_has_slug(slug)))
    if found is None:
        raise NoSuchDiscussion(slug=slug)
    return found


def find(tx: Transaction, slug: str, *, lock: bool = False) -> Discussion:
    """Return the discussion with that slug, with `lock` locked for a change.

    Raises `NoSuchDiscussion`.
    """
    named = select(Discussion).where(_has_slug(slug))
    if lock:
        # What this transaction read before may be out of date by the time it gets the lock.
        named = named.with_for_update().execution_options(populate_existing=True)
    discussion = tx.scalar(named)
    if discussion is None:
        raise NoSuchDiscussion(slug=slug)
    return discussion
