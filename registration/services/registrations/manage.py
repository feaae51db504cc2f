"""What organizers do for attendees: add one by hand, send a letter again, correct an address, mark
who came. Withdrawing and erasing are as on the attendee's own page (`attending`)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import outbox
from ...config import Settings
from ...crypto.key_ring import Ring
from ...database import comparable
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


def add(
    session: Session, slug: str, entry: Entry, *, ring: Ring, settings: Settings, now: datetime
) -> str:
    """Register somebody who asked an organizer for it, also where the form is closed, and return
    the public id.

    All else is as if they had sent the form. Raises `NoSuchDiscussion`, `TakesNobody`,
    `AlreadyRegistered`, `EnoughLetters`.
    """
    number = catalog.identify(session, slug)
    with allocation.changing(session, number, now, settings) as discussion:
        refuse_off(discussion, now)
        known = register.known_as(session, discussion, entry.address, ring, lock=True)
        if known and known.status in COMING:
            raise AlreadyRegistered("This address is registered already.")
        if known and known.status is RegistrationStatus.UNCONFIRMED:
            # What they typed themselves is not to be written over.
            raise AlreadyRegistered(
                "This address is registered already, and not confirmed yet: send its letter again."
            )
        mailbox = entry.address.mailbox
        if not register.may_write_to(session, discussion, mailbox, ring=ring, now=now):
            raise _enough()
        added, kind = register.enter(
            session, discussion, entry, known, ring=ring, settings=settings, now=now
        )
        register.owe(session, added, kind, discussion, settings=settings, now=now)
    return session.scalars(select(Registration.public_id).where(Registration.id == added)).one()


def is_off(discussion: Discussion, now: datetime) -> bool:
    """Whether a discussion is cancelled, taken off, or over: nobody is told that they take part."""
    return discussion.status is not DiscussionStatus.PUBLISHED or discussion.is_over(now)


def refuse_off(discussion: Discussion, now: datetime) -> None:
    """Raise `TakesNobody` where a discussion is off or over."""
    if is_off(discussion, now):
        raise TakesNobody("The discussion is off or over: nobody is told that they take part.")


def send_again(
    session: Session, registration: Registration, *, ring: Ring, settings: Settings, now: datetime
) -> LetterKind:
    """Owe the letter once more that tells an attendee where they stand, and return its kind.

    One that waits already is hurried, and counts for nothing. Raises `TakesNobody`, as what is
    off tells nobody of a seat, and `EnoughLetters` after three a day.
    """
    discussion = session.get_one(Discussion, registration.discussion_id)
    kind = _LETTER_OF[registration.status]
    if kind is not LetterKind.WITHDRAWAL:
        refuse_off(discussion, now)
    named = ("sent again", registration.public_id)
    may_send = outbox.owes(session, registration.id, kind) or rate_limits.take(
        session, *named, capacity=LETTERS_A_DAY, ring=ring, now=now
    )
    if not may_send:
        raise _enough()
    register.owe(session, registration.id, kind, discussion, settings=settings, now=now)
    return kind


def retry(session: Session, registration: Registration, now: datetime) -> int:
    """Owe an attendee's letters again that have failed, or that a restore held; return how many."""
    stuck = select(Letter.id).where(
        Letter.registration_id == registration.id,
        Letter.state.in_([LetterState.FAILED, LetterState.HELD]),
    )
    return outbox.retry(session, session.scalars(stuck).all(), now)


def correct_address(
    session: Session,
    registration: Registration,
    new: EmailAddress,
    *,
    ring: Ring,
    settings: Settings,
    now: datetime,
) -> None:
    """Correct the address that an attendee typed wrongly.

    Who has not confirmed yet is asked at the new one, and the links that went to the old one end.
    Who has, keeps the old one until the new one confirms: an organizer can mistype, too; the old
    one, given again, takes that back. Raises
    `NoSuchRegistration`, `AlreadyRegistered`, `EnoughLetters`, `HasWithdrawn`.
    """
    discussion = _locked(session, registration)
    known = register.known_as(session, discussion, new, ring)
    if known is not None and known.id == registration.id:
        _keep_address(session, registration, ring)
        return
    if known:
        raise AlreadyRegistered("This address is registered already.")
    if not self_service.may_ask(session, registration, discussion, new, ring=ring, now=now):
        raise _enough()
    if registration.status is RegistrationStatus.UNCONFIRMED:
        kind = LetterKind.ADDRESS_CONFIRMATION
        try:
            self_service.give_address(session, registration, discussion, new, ring)
        except IntegrityError:
            raise AlreadyRegistered("This address is registered already.") from None
    else:
        kind = LetterKind.ADDRESS_CHANGE
        registration.seal(replace(registration.attendee(ring), new_address=new.sent), ring)
    session.flush()
    # One that is on its way was to go to another address.
    outbox.drop(session, registration.id, kind)
    register.owe(session, registration.id, kind, discussion, settings=settings, now=now)


def _locked(session: Session, registration: Registration) -> Discussion:
    """Lock the discussion and then the registration, which is read again."""
    discussion = session.get_one(Discussion, registration.discussion_id, with_for_update=True)
    if not allocation.is_still_there(session, registration):
        raise NoSuchRegistration("It has just been erased.")
    if registration.status is RegistrationStatus.WITHDRAWN:
        raise HasWithdrawn("Whoever has withdrawn gets no more letters.")
    return discussion


def _keep_address(session: Session, registration: Registration, ring: Ring) -> None:
    registration.seal(replace(registration.attendee(ring), new_address=""), ring)
    outbox.drop(session, registration.id, LetterKind.ADDRESS_CHANGE)


def mark(
    session: Session,
    discussion: Discussion,
    public_ids: Sequence[str],
    *,
    attended: bool,
    now: datetime,
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
            .values(attended_at=now if attended else None)
            .returning(Registration.id)
        )
        changed += len(session.scalars(marked).all())
    return changed


def _enough() -> EnoughLetters:
    return EnoughLetters(
        f"{LETTERS_A_DAY} such letters have been owed to this address today: that is all it gets."
    )
