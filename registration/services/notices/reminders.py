"""Reminds attendees of a discussion: before its start, once, with the link to join.

A moment that passed before the time was set is not made up for: the letter that told the time was
the reminder. Nor is one that passed before somebody had a seat.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, String, cast, exists, literal, or_, select

from ... import outbox
from ...database import Transaction
from ...models import Discussion, DiscussionStatus, Letter, LetterKind, Registration


def due_discussions(tx: Transaction) -> Sequence[int]:
    """Return the ids of discussions of which somebody is to be reminded now."""
    coming = tx.scalars(
        select(Discussion).where(
            Discussion.status == DiscussionStatus.PUBLISHED, Discussion.starts_at > tx.now
        )
    )
    return [
        discussion.id
        for discussion in coming
        if (span := _due_span(discussion, tx.now))
        and tx.scalar(_to_remind(discussion, span, tx.now).limit(1)) is not None
    ]


def owe_reminders(tx: Transaction, discussion_id: int) -> int:
    """Owe the reminder that is due to everybody who has not got it; return to how many."""
    discussion = tx.get_one(Discussion, discussion_id, with_for_update=True)
    span = _due_span(discussion, tx.now)
    if span is None or discussion.status is not DiscussionStatus.PUBLISHED:
        return 0
    # Where letters have waited long, this one takes the place of the one before.
    occasion = _occasion(discussion, span)
    outbox.drop_all(tx, discussion.id, LetterKind.REMINDER, but=occasion)
    ids = tx.scalars(_to_remind(discussion, span, tx.now)).all()
    outbox.post_all(
        tx,
        ids,
        LetterKind.REMINDER,
        revision=discussion.version,
        host=tx.settings.host,
        occasion=occasion,
    )
    return len(ids)


def _due_span(discussion: Discussion, now: datetime) -> timedelta | None:
    """Return how long before the start the moment was that came last, if one has come since the
    time was set."""
    passed = [
        span
        for span in discussion.content.reminder_spans
        if discussion.starts_at - span <= now < discussion.starts_at
        # A clock that was ahead, and has been set right, leaves a time that tells nothing.
        and not discussion.starts_at - span <= discussion.time_set_at <= now
        and not (discussion.all_day and span < timedelta(days=1))
    ]
    return min(passed, default=None)


def _to_remind(discussion: Discussion, span: timedelta, now: datetime) -> Select[int]:
    """Return the ids of those to remind: who had a seat at that moment, and has no such letter."""
    moment = discussion.starts_at - span
    seated_at, confirmed_at = Registration.seated_at, Registration.confirmed_at
    prefix, end = f"{LetterKind.REMINDER}/", f"/{_occasion(discussion, span)}"
    key = literal(prefix) + cast(Registration.id, String) + literal(end)
    return select(Registration.id).where(
        Registration.discussion_id == discussion.id,
        Registration.withdrawn_at.is_(None),
        # A clock that was ahead, and has been set right, leaves times to come.
        or_(confirmed_at < moment, confirmed_at > now),
        or_(seated_at < moment, seated_at > now),
        ~exists().where(Letter.key == key),
    )


def _occasion(discussion: Discussion, span: timedelta) -> str:
    return f"{discussion.starts_at:%Y%m%dT%H%M%SZ}/{span // timedelta(minutes=1)}"
