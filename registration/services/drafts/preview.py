"""Shows the page and the confirmation that an announcement would give, from rows that are in no
database."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import select

from ...config import Settings
from ...crypto.key_ring import KeyRing
from ...database import Transaction
from ...database.paging import pages
from ...mail import letters
from ...models import (
    Announcement,
    Attendee,
    Discussion,
    DiscussionStatus,
    Letter,
    LetterKind,
    Registration,
)
from ..discussions import publication
from ..registrations import example

ROWS_A_STEP = 1000
_NAME, _ADDRESS = "Aigerim", "aigerim@example.org"


def discussion(
    announcement: Announcement, published: Discussion | None, *, settings: Settings, now: datetime
) -> Discussion:
    """Return the discussion as publishing would make it, outside of any session."""
    previewed = Discussion(
        slug=announcement.slug,
        uid=f"preview@{settings.host}",
        status=DiscussionStatus.PUBLISHED,
        published_at=now,
        changed_at=now,
        time_set_at=now,
        organizer_address=str(settings.mail_from),
        sequence=0,
        version=1,
        cancelled_why=None,
    )
    if published:
        previewed.uid, previewed.sequence = published.uid, published.sequence
        previewed.cancelled_why = published.cancelled_why
        previewed.organizer_address = published.organizer_address
        previewed.published_at = published.published_at
        previewed.status = publication.public_status(published)
    previewed.announcement = announcement
    return previewed


def confirmation(
    would_be: Discussion, *, ring: KeyRing, settings: Settings, now: datetime
) -> EmailMessage:
    """Return the confirmation that an attendee would get; none of its personal links works."""
    registration = example.registration(
        would_be, _NAME, _ADDRESS, ring=ring, settings=settings, now=now
    )
    letter = Letter(kind=LetterKind.CONFIRMATION, public_id="preview", revision=1)
    message = letters.compose(
        letter, registration, would_be, ring=ring, settings=settings, now=now, place=0
    )
    return message or EmailMessage()


def count_answers(tx: Transaction, discussion: Discussion, keys: Iterable[str]) -> dict[str, int]:
    """Return the number of stored answers by question key, for those of `keys` that have any."""
    wanted = set(keys)
    counts: Counter[str] = Counter()
    if not wanted:
        return {}
    sealed = select(Registration.id, Registration.public_id, Registration.sealed).where(
        Registration.discussion_id == discussion.id
    )
    for rows in pages(tx, sealed, Registration.id, ROWS_A_STEP):
        for row in rows:
            attendee = Attendee.unsealed(row.sealed, row.public_id, tx.keys)
            counts.update(wanted & attendee.answers.keys())
    return dict(counts)
