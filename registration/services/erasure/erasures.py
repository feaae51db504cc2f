"""Erases registrations: their rows, the letters owed or kept, all that is personal; circulars,
whose text may name people; and drafts of discussions that nobody goes on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from ... import outbox
from ...mail import maildir
from ...models import (
    Circular,
    Discussion,
    Draft,
    Erasure,
    Export,
    Letter,
    Registration,
    RegistrationStatus,
)
from .. import catalog
from ..seats import allocation

# How many registrations one transaction erases: nobody who registers waits long for it.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased: the random ids of registrations and circulars (for `remembering`), and how
    many letters. Never who."""

    public_ids: tuple[str, ...] = ()
    letters: int = 0
    circulars: tuple[str, ...] = ()

    @property
    def every_id(self) -> tuple[str, ...]:
        """All the random ids."""
        return self.public_ids + self.circulars

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            self.public_ids + other.public_ids,
            self.letters + other.letters,
            self.circulars + other.circulars,
        )

    def __str__(self) -> str:
        texts = f", and {len(self.circulars)} texts to attendees" if self.circulars else ""
        return f"{len(self.public_ids)} registrations and {self.letters} letters{texts}"


def erase(
    session: Session, registration: Registration, *, letters: Path | None, now: datetime
) -> Receipt:
    """Erase one registration for good. `letters` is the folder of kept letters, if there is one.

    What remains is its random id, so that a restored backup can be erased again, and, until the
    day ends, how many letters its address may still get (`throttling`). Where somebody else has
    just erased it, nothing is left to do. Exports that may hold it are stale from now on.
    """
    with allocation.changing(session, registration.discussion_id, now) as discussion:
        if not allocation.is_still_there(session, registration):
            return Receipt()
        _outrank(discussion, registration)
        count = _discard(session, letters, Letter.registration_id == registration.id)
        session.execute(insert(Erasure).values(public_id=registration.public_id, at=now))
        session.execute(
            update(Export)
            .where(Export.discussion_id == registration.discussion_id)
            .values(is_stale=True)
        )
        session.delete(registration)
        return Receipt((registration.public_id,), count)


def erase_due(session: Session, *, letters: Path | None, now: datetime) -> Receipt:
    """Erase a batch of registrations whose time has come; an empty receipt if there is none."""
    return _erase_some(session, Registration.erase_at <= now, letters, now)


def erase_all(session: Session, slug: str, *, letters: Path | None, now: datetime) -> Receipt:
    """Erase a batch of a discussion's registrations, due or not. Raises `NoSuchDiscussion`."""
    of_it = Registration.discussion_id == catalog.identify(session, slug)
    return _erase_some(session, of_it, letters, now)


def erase_again(
    session: Session, public_ids: Sequence[str], *, letters: Path | None, now: datetime
) -> Receipt:
    """Erase those that were erased before, and have come back with a backup."""
    return _erase_some(session, Registration.public_id.in_(public_ids), letters, now)


def erase_circular(
    session: Session, circular: Circular, *, letters: Path | None, now: datetime
) -> Receipt:
    """Erase a circular for good, with its tests; whoever has not got it yet never will.

    What attendees were sent of it is erased with them.
    """
    outbox.drop_waiting(session, Letter.circular_id == circular.id, now)
    is_test = Letter.organizer_id.is_not(None)
    count = _discard(session, letters, Letter.circular_id == circular.id, is_test)
    session.execute(insert(Erasure).values(public_id=circular.public_id, at=now))
    session.delete(circular)
    session.flush()
    return Receipt((), count, (circular.public_id,))


def erase_due_circulars(
    session: Session, *, letters: Path | None, days: int, now: datetime
) -> Receipt:
    """Erase every circular whose discussion is over for so many days, and that was written and
    queued so long ago, too."""
    last = now - timedelta(days=days)
    over = select(Discussion.id).where(Discussion.ends_at <= last)
    is_old = func.coalesce(Circular.queued_at, Circular.written_at) <= last
    return _erase_circulars(session, is_old & Circular.discussion_id.in_(over), letters, now)


def erase_old_drafts(session: Session, *, days: int, now: datetime) -> int:
    """Erase every draft of a discussion that nobody has saved for so many days; return how many."""
    old = delete(Draft).where(Draft.saved_at <= now - timedelta(days=days)).returning(Draft.id)
    return len(session.scalars(old).all())


def erase_all_circulars(
    session: Session, slug: str, *, letters: Path | None, now: datetime
) -> Receipt:
    """Erase every circular of a discussion. Raises `NoSuchDiscussion`."""
    of_it = Circular.discussion_id == catalog.identify(session, slug)
    return _erase_circulars(session, of_it, letters, now)


def erase_circulars_again(
    session: Session, public_ids: Sequence[str], *, letters: Path | None, now: datetime
) -> Receipt:
    """Erase those that were erased before, and have come back with a backup."""
    return _erase_circulars(session, Circular.public_id.in_(public_ids), letters, now)


def _erase_circulars(
    session: Session, which: ColumnElement[bool], letters: Path | None, now: datetime
) -> Receipt:
    found = session.scalars(select(Circular).where(which).with_for_update()).all()
    receipts = (erase_circular(session, item, letters=letters, now=now) for item in found)
    return sum(receipts, Receipt())


def _erase_some(
    session: Session, which: ColumnElement[bool], letters: Path | None, now: datetime
) -> Receipt:
    found = session.scalars(
        select(Registration)
        .where(which)
        .order_by(Registration.discussion_id, Registration.erase_at)
        .limit(BATCH)
    ).all()
    receipts = (erase(session, item, letters=letters, now=now) for item in found)
    return sum(receipts, Receipt())


def _outrank(discussion: Discussion, registration: Registration) -> None:
    """Let whoever registers again begin beyond what this one was sent, or took as a file: what
    calendars have of it outlives the erasure (RFC 5546 2.1.4)."""
    sent = registration.calendar_sequence
    sent += registration.status is RegistrationStatus.CONFIRMED
    if sent:
        first = max(discussion.first_calendar_sequence, sent + 1)
        discussion.first_calendar_sequence = first


def _discard(session: Session, folder: Path | None, *which: ColumnElement[bool]) -> int:
    """Delete letters, kept ones too, and return how many."""
    message_ids = session.scalars(delete(Letter).where(*which).returning(Letter.message_id)).all()
    if folder:
        for message_id in message_ids:
            maildir.discard(folder, maildir.key_of(message_id))
    return len(message_ids)
