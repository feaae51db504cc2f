"""The discussions: found by their slug, and listed."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from ..database import Transaction, comparable
from ..models import Discussion
from ..refusals import Refusal


class NoSuchDiscussion(Refusal):
    """There is no discussion of that name."""


class DiscussionUnpublished(Refusal):
    """The discussion was withdrawn from the public: its page and file are gone for good."""


def list_all(tx: Transaction) -> Sequence[Discussion]:
    """Return every discussion, unpublished ones too, the earliest first."""
    return tx.scalars(select(Discussion).order_by(Discussion.starts_at, Discussion.slug)).all()


def list_public(tx: Transaction) -> list[Discussion]:
    """Return every discussion that is not unpublished, the earliest first."""
    return [item for item in list_all(tx) if item.is_public]


def _is_named(slug: str) -> ColumnElement[bool]:
    return Discussion.slug == comparable(slug)


def find_id(tx: Transaction, slug: str) -> int:
    """Return the id of the discussion of that name, or raise `NoSuchDiscussion`."""
    found = tx.scalar(select(Discussion.id).where(_is_named(slug)))
    if found is None:
        raise NoSuchDiscussion(f"There is no discussion {slug}.")
    return found


def find(tx: Transaction, slug: str, *, lock: bool = False) -> Discussion:
    """Return the discussion of that name, locked for a change; raises `NoSuchDiscussion`."""
    named = select(Discussion).where(_is_named(slug))
    if lock:
        # What this session has read of it may be out of date by the time it has the lock.
        named = named.with_for_update().execution_options(populate_existing=True)
    discussion = tx.scalar(named)
    if discussion is None:
        raise NoSuchDiscussion(f"There is no discussion {slug}.")
    return discussion
