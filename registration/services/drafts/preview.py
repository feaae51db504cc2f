"""Shows the page and the confirmation that an announcement would give, from rows that are in no
database."""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select

from ...config import Settings
from ...crypto.key_ring import KeyRing
from ...database import Transaction
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
from ...text.languages import language
from ..seats import retention

ROWS_A_STEP = 1000
# Instead of a random token: no page answers to it.
_PLACEHOLDER = "example"
_NAME = "Aigerim"
_ADDRESS = "aigerim@example.org"


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
        if published.is_cancelled:
            previewed.status = DiscussionStatus.CANCELLED
    previewed.announcement = announcement
    return previewed


def confirmation(
    would_be: Discussion, *, ring: KeyRing, settings: Settings, now: datetime
) -> EmailMessage:
    """Return the confirmation that an attendee would get, with personal links that do not work."""
    person = Attendee(secrets.token_hex(16), _PLACEHOLDER, _PLACEHOLDER, _NAME, _ADDRESS)
    registration = Registration(
        public_id=person.public_id,
        registered_at=now,
        confirmed_at=now,
        seated_at=now,
        erase_at=retention.erase_at(would_be, now, settings),
        language=language(),
        calendar_sequence=0,
        told_revision=0,
        wants_follow_up=False,
    )
    registration.seal(person, ring)
    message_id = f"<preview@{settings.host}>"
    letter = Letter(kind=LetterKind.CONFIRMATION, message_id=message_id, revision=1)
    message = letters.compose(
        letter, registration, would_be, ring=ring, settings=settings, now=now, place=0
    )
    return message or EmailMessage()


def count_answers(tx: Transaction, discussion: Discussion, keys: Iterable[str]) -> dict[str, int]:
    """Return the number of stored answers by question key, for those of `keys` that have any."""
    wanted = set(keys)
    counts: Counter[str] = Counter()
    if wanted:
        for row in _sealed(tx, discussion.id):
            attendee = Attendee.unsealed(row.sealed, row.public_id, tx.keys)
            counts.update(wanted & attendee.answers.keys())
    return dict(counts)


def _sealed(tx: Transaction, discussion_id: int) -> Iterator[Any]:
    last = 0
    wanted = select(Registration.id, Registration.public_id, Registration.sealed).where(
        Registration.discussion_id == discussion_id
    )
    while True:
        after = wanted.where(Registration.id > last).order_by(Registration.id).limit(ROWS_A_STEP)
        rows: Sequence[Any] = tx.execute(after).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id
