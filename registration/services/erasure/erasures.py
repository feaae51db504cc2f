"""Erases registrations with their letters, mailings (their text may name people) and drafts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from ... import outbox
from ...database import Transaction
from ...database.paging import batches
from ...mail import maildir
from ...models import (
    TO_ORGANIZERS,
    Discussion,
    Draft,
    Erasure,
    Export,
    Letter,
    Mailing,
    PendingForm,
    Registration,
    RegistrationStatus,
)
from .. import catalog
from ..seats import allocation
from ..seats.retention import UNCONFIRMED_RETENTION

# How many registrations one transaction erases, so that other writers do not wait long.
REGISTRATIONS_A_BATCH = 200


@dataclass(frozen=True, slots=True)
class Receipt:
    """The random ids of erased registrations and mailings (for `ledger`), and the number of
    letters. It never says who was erased."""

    public_ids: tuple[str, ...] = ()
    letters: int = 0
    mailings: tuple[str, ...] = ()

    @property
    def every_id(self) -> tuple[str, ...]:
        """All the random ids."""
        return self.public_ids + self.mailings

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(
            self.public_ids + other.public_ids,
            self.letters + other.letters,
            self.mailings + other.mailings,
        )

    def __str__(self) -> str:
        texts = f", and {len(self.mailings)} texts to attendees" if self.mailings else ""
        return f"{len(self.public_ids)} registrations and {self.letters} letters{texts}"


def erase(tx: Transaction, registration: Registration, *, letters: Path | None) -> Receipt:
    """Erase one registration for good. `letters` is the folder of kept letters, if there is one.

    Its random id remains, so that it can be erased again from a restored backup, and until the day
    ends the number of letters that its address may still get (`rate_limits`). The receipt is empty
    if it is erased already. Exports that may hold it become stale.
    """
    with allocation.locked_discussion(tx, registration.discussion_id) as discussion:
        if not allocation.is_still_there(tx, registration):
            return Receipt()
        _outrank_calendar(discussion, registration)
        count = _delete_letters(tx, letters, Letter.registration_id == registration.id)
        _note_erased(tx, registration.public_id)
        tx.execute(
            update(Export)
            .where(Export.discussion_id == registration.discussion_id)
            .values(is_stale=True)
        )
        tx.delete(registration)
        return Receipt((registration.public_id,), count)


def erase_due(tx: Transaction, *, letters: Path | None) -> Receipt:
    """Erase a batch of registrations that are due; return an empty receipt if there are none."""
    return _erase_some(tx, Registration.erase_at <= tx.now, letters)


def erase_all(tx: Transaction, slug: str, *, letters: Path | None) -> Receipt:
    """Erase a batch of a discussion's registrations, due or not. Raises `NoSuchDiscussion`."""
    of_it = Registration.discussion_id == catalog.find_id(tx, slug)
    return _erase_some(tx, of_it, letters)


def erase_registered(
    tx: Transaction, discussion_id: int, until: datetime, *, letters: Path | None
) -> Receipt:
    """Erase a batch of those who registered for a discussion up to a moment; and once they are
    gone, all mailings written up to it."""
    earlier = and_(Registration.discussion_id == discussion_id, Registration.registered_at <= until)
    written = and_(Mailing.discussion_id == discussion_id, Mailing.written_at <= until)
    receipt = _erase_some(tx, earlier, letters)
    return receipt if receipt.every_id else _erase_mailings(tx, written, letters)


def erase_again(tx: Transaction, public_ids: Sequence[str], *, letters: Path | None) -> Receipt:
    """Erase those of `public_ids` that a backup has brought back."""
    return _erase_some(tx, Registration.public_id.in_(public_ids), letters)


def erase_mailing(tx: Transaction, mailing: Mailing, *, letters: Path | None) -> Receipt:
    """Erase a mailing for good, with its test letters, and drop its letters not sent yet.

    Attendees' letters are erased with their registrations.
    """
    outbox.drop_waiting(tx, Letter.mailing_id == mailing.id)
    is_test = Letter.organizer_id.is_not(None)
    count = _delete_letters(tx, letters, Letter.mailing_id == mailing.id, is_test)
    _note_erased(tx, mailing.public_id)
    tx.delete(mailing)
    tx.flush()
    return Receipt((), count, (mailing.public_id,))


def erase_due_mailings(tx: Transaction, *, letters: Path | None, days: int) -> Receipt:
    """Erase every mailing whose discussion ended `days` ago or earlier, and that was itself last
    written and queued that long ago."""
    last = tx.now - timedelta(days=days)
    over = select(Discussion.id).where(Discussion.ends_at <= last)
    is_old = func.coalesce(Mailing.queued_at, Mailing.written_at) <= last
    return _erase_mailings(tx, is_old & Mailing.discussion_id.in_(over), letters)


def erase_old_drafts(tx: Transaction, *, days: int) -> int:
    """Erase every draft that nobody has saved for `days` days; return how many."""
    old = delete(Draft).where(Draft.saved_at <= tx.now - timedelta(days=days)).returning(Draft.id)
    return len(tx.scalars(old).all())


def erase_old_notices(tx: Transaction, *, letters: Path | None, days: int) -> int:
    """Erase every letter that told an organizer of their account, `days` days after it was posted;
    return how many."""
    is_old = Letter.posted_at <= tx.now - timedelta(days=days)
    return _delete_letters(tx, letters, Letter.kind.in_(TO_ORGANIZERS), is_old)


def erase_due_forms(tx: Transaction) -> int:
    """Erase the pending forms that nobody has confirmed in time; return how many."""
    last = tx.now - UNCONFIRMED_RETENTION
    return erase_forms(tx, PendingForm.made_at <= last, PendingForm.passed_at.is_(None))


def erase_forms(tx: Transaction, *which: ColumnElement[bool]) -> int:
    """Erase pending forms, and drop their letters not sent yet; return how many."""
    ids = tx.scalars(select(PendingForm.id).where(*which)).all()
    outbox.drop_of_forms(tx, ids)
    for some in batches(ids):
        tx.execute(delete(PendingForm).where(PendingForm.id.in_(some)))
    return len(ids)


def erase_all_mailings(tx: Transaction, slug: str, *, letters: Path | None) -> Receipt:
    """Erase every mailing of a discussion. Raises `NoSuchDiscussion`."""
    of_it = Mailing.discussion_id == catalog.find_id(tx, slug)
    return _erase_mailings(tx, of_it, letters)


def erase_mailings_again(
    tx: Transaction, public_ids: Sequence[str], *, letters: Path | None
) -> Receipt:
    """Erase those of `public_ids` that a backup has brought back."""
    return _erase_mailings(tx, Mailing.public_id.in_(public_ids), letters)


def _erase_mailings(tx: Transaction, which: ColumnElement[bool], letters: Path | None) -> Receipt:
    mailings = tx.scalars(select(Mailing).where(which).with_for_update()).all()
    receipts = (erase_mailing(tx, item, letters=letters) for item in mailings)
    return sum(receipts, Receipt())


def _erase_some(tx: Transaction, which: ColumnElement[bool], letters: Path | None) -> Receipt:
    batch = tx.scalars(
        select(Registration)
        .where(which)
        .order_by(Registration.discussion_id, Registration.erase_at)
        .limit(REGISTRATIONS_A_BATCH)
    ).all()
    receipts = (erase(tx, item, letters=letters) for item in batch)
    return sum(receipts, Receipt())


def _outrank_calendar(discussion: Discussion, registration: Registration) -> None:
    """Start the SEQUENCE of new registrations above the one that this attendee's calendar has,
    which outlives the erasure (RFC 5546 2.1.4)."""
    sent = registration.calendar_sequence
    sent += registration.status is RegistrationStatus.CONFIRMED
    if sent:
        first = max(discussion.first_calendar_sequence, sent + 1)
        discussion.first_calendar_sequence = first


def _note_erased(tx: Transaction, public_id: str) -> None:
    tx.execute(insert(Erasure).values(public_id=public_id, day=tx.now.date()))


def _delete_letters(tx: Transaction, folder: Path | None, *which: ColumnElement[bool]) -> int:
    """Delete letters, and their copies in `folder`; return how many."""
    deleted = tx.scalars(delete(Letter).where(*which).returning(Letter.public_id)).all()
    if folder:
        for public_id in deleted:
            maildir.discard(folder, public_id)
    return len(deleted)
