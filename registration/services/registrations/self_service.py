"""What attendees do on their own page: see, change, withdraw, erase; and find the page again."""

import hmac
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction
from ...database.paging import batches
from ...links import read_new_address
from ...models import (
    Attendee,
    Discussion,
    LetterKind,
    Registration,
    RegistrationStatus,
    address_index,
)
from ...refusals import N_, Refusal
from ...text import addresses
from ...text.addresses import EmailAddress
from .. import rate_limits, shown
from ..erasure import erasures
from ..erasure.erasures import Receipt
from ..seats import allocation
from . import register, unconfirmed_forms
from .register import Entry

# What the digest of the button that confirms a new address is for.
_NEW_ADDRESS = "new address"


class NoSuchRegistration(Refusal):
    """The link is wrong, or the registration is erased; the sentence does not say which."""

    sentence = N_("There is no such registration, any more.")


class LinkIsOver(Refusal):
    """The link to confirm a new address does not apply any more."""

    sentence = N_("This link does not apply any more.")


class RegistrationEnded(Refusal):
    """The attendee has withdrawn, so the registration's calendar is no longer served."""

    sentence = N_("This calendar has ended.")


def by_token(tx: Transaction, token: str) -> tuple[Registration, Discussion]:
    """Return the registration whose personal link has `token`, or raise `NoSuchRegistration`."""
    return _by(tx, Registration.token_hash == token_hash(token))


def by_calendar_token(tx: Transaction, token: str) -> tuple[Registration, Discussion]:
    """Return the registration whose calendar link has `token`, or raise `NoSuchRegistration`."""
    return _by(tx, Registration.calendar_token_hash == token_hash(token))


def _by(tx: Transaction, condition: Any, *, lock: bool = False) -> tuple[Registration, Discussion]:
    wanted = (
        select(Registration, Discussion)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(condition)
        .execution_options(populate_existing=True)
    )
    if lock:
        # Letters refer to the row meanwhile: only its key must stay.
        wanted = wanted.with_for_update(of=Registration, key_share=True)
    found = tx.execute(wanted).one_or_none()
    if found is None:
        raise NoSuchRegistration
    registration, discussion = found
    return registration, discussion


def change(tx: Transaction, token: str, entry: Entry) -> None:
    """Store an attendee's changes; a new address takes effect once it is confirmed.

    An unconfirmed or withdrawn registration is not changed: the form does that. Raises
    `NoSuchRegistration`.
    """
    tx.hold_keys()
    registration, discussion = _by(tx, Registration.token_hash == token_hash(token), lock=True)
    if not registration.is_registered:
        return
    attendee = registration.attendee(tx.keys)
    same = addresses.parse(attendee.address).canonical == entry.address.canonical
    changed = replace(
        attendee,
        name=entry.name,
        affiliation=entry.affiliation,
        answers=entry.answers,
        shared_with=entry.shared_with,
        new_address="" if same else entry.address.sent,
        zone=entry.zone,
    )
    registration.seal(changed, tx.keys)
    registration.answers_erased_at = None
    registration.wants_follow_up = entry.wants_follow_up
    prove(tx, registration)
    tx.flush()
    if changed.new_address == attendee.new_address:
        return
    # An earlier letter was counted for another address than it would go to now.
    outbox.drop(tx, registration.id, LetterKind.ADDRESS_CHANGE)
    if same or not may_ask_new_address(tx, registration, discussion, entry.address):
        return
    # If that address is registered itself, only a letter to it says so.
    taken = register.find_by_address(tx, discussion, entry.address)
    kind = LetterKind.ALREADY_REGISTERED if taken else LetterKind.ADDRESS_CHANGE
    number = (taken or registration).id
    register.owe_letter(tx, number, kind, discussion)


def may_ask_new_address(
    tx: Transaction, registration: Registration, discussion: Discussion, address: EmailAddress
) -> bool:
    """Take one of today's letters to a new address; return whether there was one left.

    The limit is separate, so that nobody can use up the letters of a registration by the form.
    """
    return all(
        rate_limits.take(tx, "new address", discussion.uid, bucket, capacity=register.LETTERS_A_DAY)
        for bucket in (address.mailbox, registration.public_id)
    )


def confirm_new_address(tx: Transaction, signed: str, seen: str) -> str:
    """Make the address that got the signed link the attendee's; return their new token.

    The confirmation, with its invitation, is owed to the new address. Raises `LinkIsOver`; and
    `ChangedSinceShown` unless `seen` is the digest of the page.
    """
    registration, _attendee = by_new_address(tx, signed)
    with allocation.locked_discussion(tx, registration.discussion_id) as discussion:
        registration, attendee = by_new_address(tx, signed, lock=True)
        facts = shown.facts_of(tx, registration, discussion)
        shown.refuse_if_changed(tx, _NEW_ADDRESS, facts, seen)
        new = addresses.parse(attendee.new_address)
        try:
            attendee = set_address(tx, registration, discussion, new)
        except IntegrityError:
            raise LinkIsOver from None
        registration.address_proved_at = tx.now
        kind = register.LETTER_OF_STATUS[registration.status]
        register.owe_letter(tx, registration.id, kind, discussion)
    return attendee.token


def digest_new_address(tx: Transaction, registration: Registration, discussion: Discussion) -> str:
    """Return the digest of the page that confirms a new address, for its button to carry."""
    return shown.digest(tx, _NEW_ADDRESS, shown.facts_of(tx, registration, discussion))


def set_address(
    tx: Transaction, registration: Registration, discussion: Discussion, new: EmailAddress
) -> Attendee:
    """Give an attendee another address and new links: somebody else may have read the old address.

    Forms for the old address end. Raises `IntegrityError` if the new one is registered already.
    """
    attendee = replace(
        registration.attendee(tx.keys),
        address=new.sent,
        new_address="",
        token=new_token(),
        calendar_token=new_token(),
    )
    registration.seal(attendee, tx.keys)
    registration.token_hash = token_hash(attendee.token)
    registration.calendar_token_hash = token_hash(attendee.calendar_token)
    registration.address_index = address_index(tx.keys, discussion.uid, new)
    registration.address_proved_at = None
    unconfirmed_forms.end(tx, registration)
    tx.flush()
    return attendee


def by_new_address(
    tx: Transaction, signed: str, *, lock: bool = False
) -> tuple[Registration, Attendee]:
    """Return the registration of a signed link for a new address, or raise `LinkIsOver`."""
    over = LinkIsOver()
    proven = read_new_address(tx.keys.secret("links"), signed)
    if proven is None:
        raise over
    public_id, index = proven
    try:
        registration, discussion = _by(tx, Registration.public_id == public_id, lock=lock)
    except NoSuchRegistration:
        raise over from None
    attendee = registration.attendee(tx.keys)
    wanted = attendee.new_address and address_index(
        tx.keys, discussion.uid, addresses.parse(attendee.new_address)
    )
    if not wanted or not hmac.compare_digest(wanted, index) or not registration.is_registered:
        raise over
    return registration, attendee


def withdraw(tx: Transaction, registration: Registration) -> None:
    """Withdraw a registration: free the seat, and owe the letter that cancels the calendar entry.

    A second time changes nothing.
    """
    tx.hold_keys()
    with allocation.locked_discussion(tx, registration.discussion_id, promotes=True) as discussion:
        if not allocation.is_still_there(tx, registration):
            return
        status = registration.status
        if not registration.is_registered:
            return
        registration.withdrawn_at = tx.now
        registration.seal(replace(registration.attendee(tx.keys), new_address=""), tx.keys)
        outbox.drop(tx, registration.id, LetterKind.ADDRESS_CHANGE)
        registration.seated_at = registration.queue_position = None
        registration.calendar_sequence += status is RegistrationStatus.CONFIRMED
        kind = LetterKind.WITHDRAWAL
        if register.may_answer(tx, registration):
            register.owe_letter(tx, registration.id, kind, discussion)


def prove(tx: Transaction, registration: Registration) -> None:
    """Note that the attendee reads the address: a button behind a link sent there was pressed.

    Until then letters contained neither their words nor the link to join: a confirmation with both
    is owed, if they have a seat. A second time changes nothing.
    """
    if registration.address_proved_at:
        return
    registration.address_proved_at = tx.now
    discussion = tx.get_one(Discussion, registration.discussion_id)
    is_seated = registration.status is RegistrationStatus.CONFIRMED
    if is_seated and discussion.is_on(tx.now) and register.may_answer(tx, registration):
        register.owe_letter(tx, registration.id, LetterKind.CONFIRMATION, discussion)


def erase(tx: Transaction, registration: Registration) -> Receipt:
    """Erase a registration at once, at the attendee's request, and give its seat to the next."""
    with allocation.locked_discussion(tx, registration.discussion_id, promotes=True):
        return erasures.erase(tx, registration, letters=tx.settings.mail.folder)


def send_links(tx: Transaction, address: EmailAddress) -> None:
    """Owe the personal link of every registration of `address`.

    The caller must not tell whether there is any.
    """
    allowed = rate_limits.take(tx, "find", address.mailbox, capacity=register.LETTERS_A_DAY)
    discussions = tx.scalars(select(Discussion)).all()
    owners = {address_index(tx.keys, item.uid, address): item for item in discussions}
    for registration in _by_indexes(tx, list(owners)):
        discussion = owners[registration.address_index]
        if allowed and register.may_write_to(tx, discussion, address.mailbox):
            register.owe_link(tx, registration, discussion)


def _by_indexes(tx: Transaction, indexes: list[bytes]) -> Iterable[Registration]:
    for some in batches(indexes):
        yield from tx.scalars(select(Registration).where(Registration.address_index.in_(some)))
