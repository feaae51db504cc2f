"""Owes attendees the reminders before a discussion, with the link to join.

A reminder whose moment came before the time was set is left out: the letter about the time reminds
as well. So is one whose moment came before an attendee had a seat.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, String, cast, exists, literal, or_, select

from ... import outbox
from ...database import Transaction
from ...models import Discussion, DiscussionStatus, Letter, LetterKind, Registration


def due_discussions(tx: Transaction) -> Sequence[int]:
    """Return the ids of discussions with a reminder due to somebody."""
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
    """Owe the reminder that is due to everybody who has none; return how many."""
    discussion = tx.get_one(Discussion, discussion_id, with_for_update=True)
    span = _due_span(discussion, tx.now)
    if span is None or discussion.status is not DiscussionStatus.PUBLISHED:
        return 0
    # Replaces an earlier reminder that is still waiting.
    occasion = _occasion(discussion, span)
    outbox.drop_all(tx, discussion.id, LetterKind.REMINDER, but=occasion)
    ids = tx.scalars(_to_remind(discussion, span, tx.now)).all()
    outbox.post_all(
        tx,
        ids,
        LetterKind.REMINDER,
        revision=discussion.version,
        occasion=occasion,
    )
    return len(ids)


def _due_span(discussion: Discussion, now: datetime) -> timedelta | None:
    """Return the span before the start of the reminder that is due; None if none has become due
    since the time was set."""
    passed = [
        span
        for span in discussion.content.reminder_spans
        if discussion.starts_at - span <= now < discussion.starts_at
        # A time in the future was left by a clock that was ahead: ignore it.
        and not discussion.starts_at - span <= discussion.time_set_at <= now
        and not (discussion.all_day and span < timedelta(days=1))
    ]
    return min(passed, default=None)


def _to_remind(discussion: Discussion, span: timedelta, now: datetime) -> Select[int]:
    """Return the SELECT of attendees who had a seat at that moment and have no such letter."""
    moment = discussion.starts_at - span
    seated_at, confirmed_at = Registration.seated_at, Registration.confirmed_at
    prefix, end = f"{LetterKind.REMINDER}/", f"/{_occasion(discussion, span)}"
    key = literal(prefix) + cast(Registration.id, String) + literal(end)
    return select(Registration.id).where(
        Registration.discussion_id == discussion.id,
        ~Registration.is_withdrawn,
        # Times in the future were left by a clock that was ahead.
        or_(confirmed_at < moment, confirmed_at > now),
        or_(seated_at < moment, seated_at > now),
        ~exists().where(Letter.key == key),
    )


def _occasion(discussion: Discussion, span: timedelta) -> str:
    return f"{discussion.starts_at:%Y%m%dT%H%M%SZ}/{span // timedelta(minutes=1)}"
