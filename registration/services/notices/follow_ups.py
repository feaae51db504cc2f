"""Owes the letter with recording and afterword to attendees who asked for it, once.

It is planned when either is published, and owed by `housekeeping` once the discussion is over: so
attendees who ask later get it too, and a discussion that is postponed sends none too early.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, select

from ... import outbox
from ...database import Transaction
from ...models import (
    Content,
    Discussion,
    DiscussionStatus,
    Letter,
    LetterKind,
    LetterState,
    Registration,
)
from .change_notices import CHANGE_GRACE


def plan(tx: Transaction, discussion: Discussion, before: Content | None) -> int:
    """Plan the letter if there is more to tell than `before`, and return how many that owes."""
    if _tells_more(discussion.content, before):
        discussion.follow_up_at = tx.now + CHANGE_GRACE
    return count(tx, discussion, before)


def count(tx: Transaction, discussion: Discussion, before: Content | None) -> int:
    """Return how many letters `plan` owes for this discussion, which need not be in the database
    as it is here."""
    is_published = discussion.status is DiscussionStatus.PUBLISHED
    if not is_published or not _tells_more(discussion.content, before):
        return 0
    to_tell = select(func.count()).where(Registration.discussion_id == discussion.id, _to_tell())
    return tx.scalars(to_tell).one()


def due_discussions(tx: Transaction) -> Sequence[int]:
    """Return the ids of discussions whose follow-up letter is due to somebody."""
    to_tell = exists().where(Registration.discussion_id == Discussion.id, _to_tell())
    candidates = tx.scalars(
        select(Discussion).where(
            Discussion.status == DiscussionStatus.PUBLISHED,
            Discussion.ends_at <= tx.now,
            Discussion.follow_up_at.is_not(None),
            to_tell,
        )
    )
    return [discussion.id for discussion in candidates if _is_due(discussion, tx.now)]


def owe_follow_ups(tx: Transaction, discussion_id: int) -> int:
    """Owe the letter to everybody who asked for it and has none; return how many."""
    discussion = tx.get_one(Discussion, discussion_id, with_for_update=True)
    if not _is_due(discussion, tx.now):
        return 0
    ids = tx.scalars(
        select(Registration.id).where(Registration.discussion_id == discussion.id, _to_tell())
    ).all()
    outbox.post_all(tx, ids, LetterKind.FOLLOW_UP, revision=discussion.version)
    return len(ids)


def _tells_more(content: Content, before: Content | None) -> bool:
    known = {"", before.recording_url, before.afterword} if before else {""}
    return not {content.recording_url, content.afterword} <= known


def _is_due(discussion: Discussion, now: datetime) -> bool:
    planned = discussion.follow_up_at
    if planned is None or not discussion.has_follow_up(now):
        return False
    # A clock that was ahead has left a time that is too late: ignore it.
    return not now < planned <= now + 2 * CHANGE_GRACE


def _to_tell() -> ColumnElement[bool]:
    """Return the condition that an attendee asked for the letter and has none; dropped ones do not
    count, as their content was outdated."""
    has_letter = exists().where(
        Letter.registration_id == Registration.id,
        Letter.kind == LetterKind.FOLLOW_UP,
        Letter.state != LetterState.DROPPED,
    )
    return and_(
        Registration.wants_follow_up,
        Registration.is_registered,
        ~has_letter,
    )
