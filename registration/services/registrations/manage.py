"""What organizers do for attendees: add one, send a letter again, correct an address, mark
attendance. Withdrawing and erasing are in `self_service`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ... import outbox
from ...database import Transaction, comparable
from ...database.paging import batches
from ...models import (
    Discussion,
    Letter,
    LetterKind,
    LetterState,
    Registration,
    RegistrationStatus,
)
from ...refusals import N_, N_ngettext, Refusal
from ...text.addresses import EmailAddress
from .. import catalog, rate_limits
from ..seats import allocation
from . import register, self_service
from .register import LETTERS_A_DAY, Entry
from .self_service import NoSuchRegistration

# The letter that tells an attendee of each status all that they need.
_LETTER_OF = {
    **register.LETTER_OF_STATUS,
    RegistrationStatus.WITHDRAWN: LetterKind.WITHDRAWAL,
}


class AlreadyRegistered(Refusal):
    """The address is registered for this discussion already."""

    sentence = N_("This address is registered already.")


class NotConfirmedYet(AlreadyRegistered):
    """The address is registered, and has not been confirmed."""

    sentence = N_(
        "This address is registered already, and not confirmed yet: send its letter again."
    )


class EnoughLetters(Refusal):
    """The attendee, or the address, has reached today's limit of letters."""

    sentence = N_ngettext(
        "%(num)s such letter has been owed to this address today: that is all it gets.",
        "%(num)s such letters have been owed to this address today: that is all it gets.",
    )


class TakesNobody(Refusal):
    """The discussion is cancelled, unpublished or over: nobody can be added."""

    sentence = N_("The discussion is off or over: nobody is told that they take part.")


class HasWithdrawn(Refusal):
    """The attendee has withdrawn, gets no more letters, and so needs no other address."""

    sentence = N_("Whoever has withdrawn gets no more letters.")


def add(tx: Transaction, slug: str, entry: Entry) -> str:
    """Register somebody on an organizer's word, even if the form is closed; return the public id.

    Otherwise it does what the form does. Raises `NoSuchDiscussion`, `TakesNobody`,
    `AlreadyRegistered`, `EnoughLetters`.
    """
    tx.hold_keys()
    number = catalog.find_id(tx, slug)
    with allocation.locked_discussion(tx, number, promotes=True) as discussion:
        refuse_unless_on(discussion, tx.now)
        known = register.find_by_address(tx, discussion, entry.address, lock=True)
        if known and known.is_registered:
            raise AlreadyRegistered
        if known and known.status is RegistrationStatus.UNCONFIRMED:
            raise NotConfirmedYet
        if not register.may_write_to(tx, discussion, entry.address.mailbox):
            raise EnoughLetters(num=LETTERS_A_DAY)
        if known:  # withdrawn: they come back on their own word only
            register.owe_form_letter(tx, discussion, entry, known)
            return known.public_id
        added, kind = register.write_registration(tx, discussion, entry)
        register.owe_letter(tx, added, kind, discussion)
    return tx.scalars(select(Registration.public_id).where(Registration.id == added)).one()


def refuse_unless_on(discussion: Discussion, now: datetime) -> None:
    """Raise `TakesNobody` if a discussion is cancelled, unpublished or over."""
    if not discussion.is_on(now):
        raise TakesNobody


def send_again(tx: Transaction, registration: Registration) -> LetterKind:
    """Owe an attendee the letter of their status again; return its kind.

    A letter that is owed already is due at once, and does not count. Raises `TakesNobody` if
    the discussion is off and they have not withdrawn, `EnoughLetters` after `LETTERS_A_DAY`.
    """
    discussion = tx.get_one(Discussion, registration.discussion_id)
    kind = _LETTER_OF[registration.status]
    if kind is not LetterKind.WITHDRAWAL:
        refuse_unless_on(discussion, tx.now)
    named = ("sent again", registration.public_id)
    may_send = outbox.has_owed(tx, registration.id, kind) or rate_limits.take(
        tx, *named, capacity=LETTERS_A_DAY
    )
    if not may_send:
        raise EnoughLetters(num=LETTERS_A_DAY)
    if registration.status is RegistrationStatus.UNCONFIRMED:
        register.owe_link(tx, registration, discussion)
    else:
        register.owe_letter(tx, registration.id, kind, discussion)
    return kind


def retry(tx: Transaction, registration: Registration) -> int:
    """Owe an attendee's failed and held letters again; return how many."""
    stuck = select(Letter.id).where(
        Letter.registration_id == registration.id,
        Letter.state.in_([LetterState.FAILED, LetterState.HELD]),
    )
    return outbox.retry(tx, tx.scalars(stuck).all())


def correct_address(tx: Transaction, registration: Registration, new: EmailAddress) -> None:
    """Correct the address that an attendee typed wrongly.

    An unconfirmed registration gets the new address and new links at once. A confirmed one keeps
    the old address until the new one is confirmed, as an organizer may mistype too; giving the old
    address again takes the change back. Raises `NoSuchRegistration`, `AlreadyRegistered`,
    `EnoughLetters`, `HasWithdrawn`.
    """
    tx.hold_keys()
    discussion = _locked(tx, registration)
    known = register.find_by_address(tx, discussion, new)
    if known is not None and known.id == registration.id:
        _keep_address(tx, registration)
        return
    if known:
        raise AlreadyRegistered
    if not self_service.may_ask_new_address(tx, registration, discussion, new):
        raise EnoughLetters(num=LETTERS_A_DAY)
    if registration.status is RegistrationStatus.UNCONFIRMED:
        kind = LetterKind.ADDRESS_CONFIRMATION
        try:
            self_service.set_address(tx, registration, discussion, new)
        except IntegrityError:
            raise AlreadyRegistered from None
    else:
        kind = LetterKind.ADDRESS_CHANGE
        registration.seal(replace(registration.attendee(tx.keys), new_address=new.sent), tx.keys)
    tx.flush()
    # An earlier letter of this kind was for another address.
    outbox.drop(tx, registration.id, kind)
    register.owe_letter(tx, registration.id, kind, discussion)


def _locked(tx: Transaction, registration: Registration) -> Discussion:
    """Lock the discussion and then the registration, and read both again."""
    discussion = tx.get_one(Discussion, registration.discussion_id, with_for_update=True)
    if not allocation.is_still_there(tx, registration):
        raise NoSuchRegistration
    if registration.is_withdrawn:
        raise HasWithdrawn
    return discussion


def _keep_address(tx: Transaction, registration: Registration) -> None:
    registration.seal(replace(registration.attendee(tx.keys), new_address=""), tx.keys)
    outbox.drop(tx, registration.id, LetterKind.ADDRESS_CHANGE)


def keeps_attendance(tx: Transaction, discussion: Discussion) -> bool:
    """Whether attendance is still kept: where attendees are at risk, it is erased early."""
    return not tx.settings.at_risk or tx.now < discussion.answers_erase_at(discussion.ends_at)


def mark_attendance(
    tx: Transaction, discussion: Discussion, public_ids: Sequence[str], *, attended: bool
) -> int:
    """Mark attendees as present, unless attendance has been erased, or as absent; return how many
    marks changed."""
    if attended and not keeps_attendance(tx, discussion):
        return 0
    is_marked = Registration.attended_at.is_not(None)
    at, changed = tx.now if attended else None, 0
    for some in batches(public_ids):
        marked = (
            update(Registration)
            .where(
                Registration.discussion_id == discussion.id,
                Registration.public_id.in_(map(comparable, some)),
                ~is_marked if attended else is_marked,
            )
            .values(attended_at=at)
            .returning(Registration.id)
        )
        changed += len(tx.scalars(marked).all())
    return changed
