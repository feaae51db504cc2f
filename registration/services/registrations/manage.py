"""What organizers do for attendees: add one by hand, send a letter again, correct an address, mark
who came. Withdrawing and erasing are as on the attendee's own page (`attending`)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ... import outbox
from ...database import Transaction, comparable
from ...models import (
    Discussion,
    DiscussionStatus,
    Letter,
    LetterKind,
    LetterState,
    Registration,
    RegistrationStatus,
)
from ...refusals import Refusal
from ...text.addresses import EmailAddress
from .. import catalog, rate_limits
from ..seats import allocation
from . import register, self_service
from .register import LETTERS_A_DAY, Entry
from .self_service import COMING, NoSuchRegistration

# Which letter tells who stands there all that they have to know.
_LETTER_OF = {
    RegistrationStatus.UNCONFIRMED: LetterKind.ADDRESS_CONFIRMATION,
    RegistrationStatus.CONFIRMED: LetterKind.CONFIRMATION,
    RegistrationStatus.WAITING: LetterKind.WAITING,
    RegistrationStatus.WITHDRAWN: LetterKind.WITHDRAWAL,
}


class AlreadyRegistered(Refusal):
    """The address is registered for this discussion already."""


class EnoughLetters(Refusal):
    """The attendee, or the address, has had all the letters of today."""


class TakesNobody(Refusal):
    """The discussion is off or over: nobody can be added."""


class HasWithdrawn(Refusal):
    """Who has withdrawn gets no more letters, and so needs no other address."""


def add(tx: Transaction, slug: str, entry: Entry) -> str:
    """Register somebody who asked an organizer for it, also where the form is closed, and return
    the public id.

    All else is as if they had sent the form. Raises `NoSuchDiscussion`, `TakesNobody`,
    `AlreadyRegistered`, `EnoughLetters`.
    """
    tx.hold_keys()
    number = catalog.identify(tx, slug)
    with allocation.changing(tx, number, promotes=True) as discussion:
        refuse_off(discussion, tx.now)
        known = register.known_as(tx, discussion, entry.address, lock=True)
        if known and known.status in COMING:
            raise AlreadyRegistered("This address is registered already.")
        if known and known.status is RegistrationStatus.UNCONFIRMED:
            # What they typed themselves is not to be written over.
            raise AlreadyRegistered(
                "This address is registered already, and not confirmed yet: send its letter again."
            )
        mailbox = entry.address.mailbox
        if not register.may_write_to(tx, discussion, mailbox):
            raise _enough()
        added, kind = register.enter(tx, discussion, entry, known)
        register.owe(tx, added, kind, discussion)
    return tx.scalars(select(Registration.public_id).where(Registration.id == added)).one()


def is_off(discussion: Discussion, now: datetime) -> bool:
    """Whether a discussion is cancelled, taken off, or over: nobody is told that they take part."""
    return discussion.status is not DiscussionStatus.PUBLISHED or discussion.is_over(now)


def refuse_off(discussion: Discussion, now: datetime) -> None:
    """Raise `TakesNobody` where a discussion is off or over."""
    if is_off(discussion, now):
        raise TakesNobody("The discussion is off or over: nobody is told that they take part.")


def send_again(tx: Transaction, registration: Registration) -> LetterKind:
    """Owe the letter once more that tells an attendee where they stand, and return its kind.

    One that waits already is hurried, and counts for nothing. Raises `TakesNobody`, as what is
    off tells nobody of a seat, and `EnoughLetters` after three a day.
    """
    discussion = tx.get_one(Discussion, registration.discussion_id)
    kind = _LETTER_OF[registration.status]
    if kind is not LetterKind.WITHDRAWAL:
        refuse_off(discussion, tx.now)
    named = ("sent again", registration.public_id)
    may_send = outbox.has_owed(tx, registration.id, kind) or rate_limits.take(
        tx, *named, capacity=LETTERS_A_DAY
    )
    if not may_send:
        raise _enough()
    register.owe(tx, registration.id, kind, discussion)
    return kind


def retry(tx: Transaction, registration: Registration) -> int:
    """Owe an attendee's letters again that have failed, or that a restore held; return how many."""
    stuck = select(Letter.id).where(
        Letter.registration_id == registration.id,
        Letter.state.in_([LetterState.FAILED, LetterState.HELD]),
    )
    return outbox.retry(tx, tx.scalars(stuck).all())


def correct_address(tx: Transaction, registration: Registration, new: EmailAddress) -> None:
    """Correct the address that an attendee typed wrongly.

    Who has not confirmed yet is asked at the new one, and the links that went to the old one end.
    Who has, keeps the old one until the new one confirms: an organizer can mistype, too; the old
    one, given again, takes that back. Raises
    `NoSuchRegistration`, `AlreadyRegistered`, `EnoughLetters`, `HasWithdrawn`.
    """
    tx.hold_keys()
    discussion = _locked(tx, registration)
    known = register.known_as(tx, discussion, new)
    if known is not None and known.id == registration.id:
        _keep_address(tx, registration)
        return
    if known:
        raise AlreadyRegistered("This address is registered already.")
    if not self_service.may_ask(tx, registration, discussion, new):
        raise _enough()
    if registration.status is RegistrationStatus.UNCONFIRMED:
        kind = LetterKind.ADDRESS_CONFIRMATION
        try:
            self_service.give_address(tx, registration, discussion, new)
        except IntegrityError:
            raise AlreadyRegistered("This address is registered already.") from None
    else:
        kind = LetterKind.ADDRESS_CHANGE
        registration.seal(replace(registration.attendee(tx.keys), new_address=new.sent), tx.keys)
    tx.flush()
    # One that is on its way was to go to another address.
    outbox.drop(tx, registration.id, kind)
    register.owe(tx, registration.id, kind, discussion)


def _locked(tx: Transaction, registration: Registration) -> Discussion:
    """Lock the discussion and then the registration, which is read again."""
    discussion = tx.get_one(Discussion, registration.discussion_id, with_for_update=True)
    if not allocation.is_still_there(tx, registration):
        raise NoSuchRegistration("It has just been erased.")
    if registration.status is RegistrationStatus.WITHDRAWN:
        raise HasWithdrawn("Whoever has withdrawn gets no more letters.")
    return discussion


def _keep_address(tx: Transaction, registration: Registration) -> None:
    registration.seal(replace(registration.attendee(tx.keys), new_address=""), tx.keys)
    outbox.drop(tx, registration.id, LetterKind.ADDRESS_CHANGE)


def mark(
    tx: Transaction, discussion: Discussion, public_ids: Sequence[str], *, attended: bool
) -> int:
    """Mark that these attendees came, or that they did not; return of how many that changes
    something."""
    is_marked = Registration.attended_at.is_not(None)
    changed = 0
    for start in range(0, len(public_ids), 500):
        marked = (
            update(Registration)
            .where(
                Registration.discussion_id == discussion.id,
                Registration.public_id.in_(map(comparable, public_ids[start : start + 500])),
                ~is_marked if attended else is_marked,
            )
            .values(attended_at=tx.now if attended else None)
            .returning(Registration.id)
        )
        changed += len(tx.scalars(marked).all())
    return changed


def _enough() -> EnoughLetters:
    return EnoughLetters(
        f"{LETTERS_A_DAY} such letters have been owed to this address today: that is all it gets."
    )
