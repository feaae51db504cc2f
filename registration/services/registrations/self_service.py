"""What an attendee does on their own page: see, change, withdraw, erase, find it again."""

import hmac
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ... import outbox
from ...config import Settings
from ...crypto.key_ring import Ring, new_token, token_hash
from ...links import read_new_address
from ...models import (
    Attendee,
    Discussion,
    LetterKind,
    Registration,
    RegistrationStatus,
    address_index,
)
from ...refusals import Refusal
from ...text import addresses
from ...text.addresses import EmailAddress
from .. import rate_limits
from ..erasure import erasures
from ..erasure.erasures import Receipt
from ..seats import allocation
from . import register
from .register import Entry

# Who means to come, and can change or withdraw that.
COMING = frozenset({RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING})


class NoSuchRegistration(Refusal):
    """The link is wrong, or the registration has been erased: nobody is told which."""


class LinkIsOver(Refusal):
    """The link to confirm a new address does not apply any more."""


def by_token(session: Session, token: str) -> tuple[Registration, Discussion]:
    """Return the registration whose personal link has `token`, or raise `NoSuchRegistration`."""
    return _by(session, Registration.token_hash == token_hash(token))


def by_calendar_token(session: Session, token: str) -> tuple[Registration, Discussion]:
    """Return the registration whose calendar has `token`, or raise `NoSuchRegistration`."""
    return _by(session, Registration.calendar_token_hash == token_hash(token))


def _by(session: Session, condition: Any, *, lock: bool = False) -> tuple[Registration, Discussion]:
    wanted = (
        select(Registration, Discussion)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(condition)
        .execution_options(populate_existing=True)
    )
    if lock:
        # Letters refer to the row meanwhile: only its key must stay.
        wanted = wanted.with_for_update(of=Registration, key_share=True)
    found = session.execute(wanted).one_or_none()
    if found is None:
        raise NoSuchRegistration("There is no registration under this link.")
    registration, discussion = found
    return registration, discussion


def change(
    session: Session, token: str, entry: Entry, *, ring: Ring, settings: Settings, now: datetime
) -> None:
    """Keep what the attendee changed. A new address takes effect when it confirms.

    Nothing changes unless the registration is confirmed: until then the form does that. Raises
    `NoSuchRegistration`.
    """
    registration, discussion = _by(session, Registration.token_hash == token_hash(token), lock=True)
    if registration.status not in COMING:
        return
    attendee = registration.attendee(ring)
    same = addresses.parse(attendee.address).canonical == entry.address.canonical
    changed = replace(
        attendee,
        name=entry.name,
        affiliation=entry.affiliation,
        answers=entry.answers,
        shared_with=entry.shared_with,
        new_address="" if same else entry.address.sent,
    )
    registration.seal(changed, ring)
    registration.zone, registration.wants_follow_up = entry.zone, entry.wants_follow_up
    session.flush()
    if changed.new_address == attendee.new_address:
        return
    # The earlier letter was allowed for another address than the one it would now go to.
    outbox.drop(session, registration.id, LetterKind.ADDRESS_CHANGE)
    if same or not may_ask(session, registration, discussion, entry.address, ring=ring, now=now):
        return
    # If it is registered itself, a letter tells only it so.
    taken = register.known_as(session, discussion, entry.address, ring)
    kind = LetterKind.ALREADY_REGISTERED if taken else LetterKind.ADDRESS_CHANGE
    number = (taken or registration).id
    register.owe(session, number, kind, discussion, settings=settings, now=now)


def may_ask(
    session: Session,
    registration: Registration,
    discussion: Discussion,
    address: EmailAddress,
    *,
    ring: Ring,
    now: datetime,
) -> bool:
    """Whether another letter may ask a new address today.

    Its limit is one of its own: nobody can use up what an address gets when it registers.
    """
    return all(
        rate_limits.take(
            session,
            "new address",
            discussion.uid,
            bucket,
            capacity=register.LETTERS_A_DAY,
            ring=ring,
            now=now,
        )
        for bucket in (address.mailbox, registration.public_id)
    )


def confirm_new_address(
    session: Session, signed: str, *, ring: Ring, settings: Settings, now: datetime
) -> str:
    """Make the address that the signed link was sent to the attendee's, and return a new token.

    Everything comes again to the new address, with the invitation. Raises `LinkIsOver`.
    """
    registration, _attendee = by_new_address(session, signed, ring=ring)
    with allocation.changing(session, registration.discussion_id, now) as discussion:
        registration, attendee = by_new_address(session, signed, ring=ring, lock=True)
        new = addresses.parse(attendee.new_address)
        try:
            attendee = give_address(session, registration, discussion, new, ring)
        except IntegrityError:
            raise LinkIsOver("This link does not apply any more.") from None
        seated = registration.status is RegistrationStatus.CONFIRMED
        kind = LetterKind.CONFIRMATION if seated else LetterKind.WAITING
        register.owe(session, registration.id, kind, discussion, settings=settings, now=now)
    return attendee.token


def give_address(
    session: Session,
    registration: Registration,
    discussion: Discussion,
    new: EmailAddress,
    ring: Ring,
) -> Attendee:
    """Make an address the attendee's, with new links too: whoever had the old ones may be somebody
    else. Raises `IntegrityError` if it is registered already."""
    attendee = replace(
        registration.attendee(ring),
        address=new.sent,
        new_address="",
        token=new_token(),
        calendar_token=new_token(),
    )
    registration.seal(attendee, ring)
    registration.token_hash = token_hash(attendee.token)
    registration.calendar_token_hash = token_hash(attendee.calendar_token)
    registration.address_index = address_index(ring, discussion.uid, new)
    session.flush()
    return attendee


def by_new_address(
    session: Session, signed: str, *, ring: Ring, lock: bool = False
) -> tuple[Registration, Attendee]:
    """Return the registration that a link to confirm a new address is for; else `LinkIsOver`."""
    over = LinkIsOver("This link does not apply any more.")
    proven = read_new_address(ring.secret("links"), signed)
    if proven is None:
        raise over
    public_id, index = proven
    try:
        registration, discussion = _by(session, Registration.public_id == public_id, lock=lock)
    except NoSuchRegistration:
        raise over from None
    attendee = registration.attendee(ring)
    wanted = attendee.new_address and address_index(
        ring, discussion.uid, addresses.parse(attendee.new_address)
    )
    if not wanted or not hmac.compare_digest(wanted, index) or registration.status not in COMING:
        raise over
    return registration, attendee


def withdraw(
    session: Session, registration: Registration, *, ring: Ring, settings: Settings, now: datetime
) -> None:
    """Withdraw: the seat is free, the calendar entry is cancelled by letter, nothing else is sent.

    A second time changes nothing.
    """
    with allocation.changing(session, registration.discussion_id, now, settings) as discussion:
        if not allocation.is_still_there(session, registration):
            return
        status = registration.status
        if status not in COMING:
            return
        registration.withdrawn_at = now
        registration.seal(replace(registration.attendee(ring), new_address=""), ring)
        outbox.drop(session, registration.id, LetterKind.ADDRESS_CHANGE)
        registration.seated_at = registration.queue_position = None
        registration.calendar_sequence += status is RegistrationStatus.CONFIRMED
        kind = LetterKind.WITHDRAWAL
        if register.may_answer(session, registration, ring=ring, now=now):
            register.owe(session, registration.id, kind, discussion, settings=settings, now=now)


def erase(
    session: Session, registration: Registration, *, settings: Settings, now: datetime
) -> Receipt:
    """Erase everything at once, on the attendee's word; whoever waits gets the seat."""
    with allocation.changing(session, registration.discussion_id, now, settings):
        return erasures.erase(session, registration, letters=settings.mail.folder, now=now)


def send_links(
    session: Session, address: EmailAddress, *, ring: Ring, settings: Settings, now: datetime
) -> None:
    """Owe the personal link of every registration of `address`, if there is any.

    The answer on the web does not tell whether there is.
    """
    allowed = rate_limits.take(
        session,
        "find",
        address.mailbox,
        capacity=register.LETTERS_A_DAY,
        ring=ring,
        now=now,
    )
    discussions = session.scalars(select(Discussion)).all()
    owners = {address_index(ring, item.uid, address): item for item in discussions}
    for registration in _indexed(session, list(owners)):
        discussion = owners[registration.address_index]
        if allowed and register.may_write_to(
            session, discussion, address.mailbox, ring=ring, now=now
        ):
            unconfirmed = registration.status is RegistrationStatus.UNCONFIRMED
            kind = LetterKind.ADDRESS_CONFIRMATION if unconfirmed else LetterKind.LINK
            register.owe(session, registration.id, kind, discussion, settings=settings, now=now)


def _indexed(session: Session, indexes: list[bytes]) -> Iterable[Registration]:
    # SQLite takes a limited number of values in one statement.
    for start in range(0, len(indexes), 500):
        some = indexes[start : start + 500]
        yield from session.scalars(select(Registration).where(Registration.address_index.in_(some)))
