"""Reminds attendees of a discussion: before its start, once, with the link to join.

A moment that passed before the time was set is not made up for: the letter that told the time was
the reminder. Nor is one that passed before somebody had a seat.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, String, cast, exists, literal, select
from sqlalchemy.orm import Session

from ..mail import outbox
from ..models import Discussion, DiscussionStatus, Letter, LetterKind, Registration
from ..settings import Settings


def due(session: Session, now: datetime) -> Sequence[int]:
    """Return the ids of discussions of which somebody is to be reminded now."""
    coming = session.scalars(
        select(Discussion).where(
            Discussion.status == DiscussionStatus.PUBLISHED, Discussion.starts_at > now
        )
    )
    return [
        discussion.id
        for discussion in coming
        if (wanted := _to_remind(discussion, now)) is not None
        and session.scalar(wanted.limit(1)) is not None
    ]


def owe(session: Session, discussion_id: int, *, settings: Settings, now: datetime) -> int:
    """Owe the reminder that is due to everybody who has not got it; return to how many."""
    discussion = session.get_one(Discussion, discussion_id, with_for_update=True)
    wanted = _to_remind(discussion, now)
    span = _last_passed(discussion, now)
    if wanted is None or span is None:
        return 0
    ids = session.scalars(wanted).all()
    outbox.post_all(
        session,
        ids,
        LetterKind.REMINDER,
        revision=discussion.version,
        host=settings.host,
        now=now,
        occasion=_occasion(discussion, span),
    )
    return len(ids)


def _to_remind(discussion: Discussion, now: datetime) -> Select[int] | None:
    """Return whom to remind now, as a query; None if there is nothing to remind of."""
    span = _last_passed(discussion, now)
    if span is None:
        return None
    moment = discussion.starts_at - span
    if discussion.time_set_at >= moment:
        return None
    prefix, end = f"{LetterKind.REMINDER}/", f"/{_occasion(discussion, span)}"
    key = literal(prefix) + cast(Registration.id, String) + literal(end)
    return select(Registration.id).where(
        Registration.discussion_id == discussion.id,
        Registration.withdrawn_at.is_(None),
        Registration.confirmed_at < moment,
        Registration.seated_at < moment,
        ~exists().where(Letter.key == key),
    )


def _last_passed(discussion: Discussion, now: datetime) -> timedelta | None:
    """Return the reminder whose moment came last; a day without a time has none of hours."""
    passed = [
        span
        for span in discussion.content.reminder_spans
        if discussion.starts_at - span <= now < discussion.starts_at
        and not (discussion.all_day and span < timedelta(days=1))
    ]
    return min(passed, default=None)


def _occasion(discussion: Discussion, span: timedelta) -> str:
    return f"{discussion.starts_at:%Y%m%dT%H%M%SZ}/{span // timedelta(minutes=1)}"
