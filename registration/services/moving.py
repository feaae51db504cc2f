"""What follows when the time of a discussion has moved: reminders, and the day of erasure."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..mail import outbox
from ..models import Discussion, LetterKind, Registration
from ..refusals import Refusal
from ..settings import Settings


class MustBeTold(Refusal):
    """Attendees would be held for longer than they were promised, and not be told."""


def has_moved(
    session: Session, discussion: Discussion, *, settings: Settings, now: datetime, quiet: bool
) -> None:
    """Plan reminders anew, and erase who comes so long after the discussion as they were told.

    Raises `MustBeTold` if that is later than promised, and nobody is to be told.
    """
    discussion.time_set_at = now
    outbox.drop_all(session, discussion.id, LetterKind.REMINDER)
    erase_at = discussion.ends_at + timedelta(days=settings.retention_days)
    coming = (
        Registration.discussion_id == discussion.id,
        Registration.confirmed_at.is_not(None),
        Registration.withdrawn_at.is_(None),
        Registration.registered_at <= discussion.ends_at,
    )
    later = select(Registration.id).where(*coming, Registration.erase_at < erase_at).limit(1)
    if quiet and session.scalar(later) is not None:
        raise MustBeTold(
            f"{discussion.slug}: attendees would be held for longer than they were promised, "
            "and must be told so: publish it without --quiet."
        )
    session.execute(update(Registration).where(*coming).values(erase_at=erase_at))
