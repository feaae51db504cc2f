"""Takes registrations, and confirms them.

The answer is the same for every address. What is known already is told to whoever reads the
address, by letter, at most three times a day.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import insert, select, update

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction, rows
from ...models import (
    Answer,
    Attendee,
    Discussion,
    LetterKind,
    Registration,
    RegistrationStatus,
    address_index,
)
from ...refusals import Refusal
from ...text.addresses import EmailAddress
from .. import rate_limits
from ..catalog import identify
from ..seats import allocation
from ..seats.retention import UNCONFIRMED_LIFE, erase_at

# Unconfirmed registrations are erased after this.
LETTERS_A_DAY = 3
# How many characters an entry's texts have at most.
MOST_NAME, MOST_LINE, MOST_LONG = 200, 300, 2000
# What of an entry is not sealed.
IN_THE_CLEAR = ("language", "zone", "wants_follow_up")
# Confirming and withdrawing, again and again, is answered by so many letters a day.
ANSWERS_A_DAY = 6


class RegistrationClosed(Refusal):
    """The discussion takes no registrations, now or any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody typed into the form, in its right shape."""

    name: str
    address: EmailAddress
    affiliation: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    shared_with: list[dict[str, Any]] = field(default_factory=list)
    language: str = "en"
    zone: str | None = None
    wants_follow_up: bool = False


def register(tx: Transaction, slug: str, entry: Entry) -> None:
    """Register `entry`, or, for a known address, tell that address so.

    Until an address is confirmed, the last form wins; after that, only the attendee's own page
    changes anything. Raises `NoSuchDiscussion`, `RegistrationClosed`.
    """
    tx.hold_keys()
    with allocation.changing(tx, identify(tx, slug), promotes=True) as discussion:
        if not discussion.takes_registrations(tx.now):
            raise RegistrationClosed("Registration for this discussion is closed.")
        known = known_as(tx, discussion, entry.address, lock=True)
        mailbox = entry.address.mailbox
        may_write = may_write_to(tx, discussion, mailbox)
        if known and known.status in {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}:
            number, kind = known.id, LetterKind.ALREADY_REGISTERED
            # What is held is sealed anew: as much work as for an address that is not known.
            known.seal(known.attendee(tx.keys), tx.keys)
            tx.flush()
        else:
            number, kind = enter(tx, discussion, entry, known)
        with tx.begin_nested() as owing:
            owe(tx, number, kind, discussion)
            if not may_write:  # found out only now, so that the time it takes does not tell
                owing.rollback()


def known_as(
    tx: Transaction, discussion: Discussion, address: EmailAddress, *, lock: bool = False
) -> Registration | None:
    """Return the registration of an address, if there is one; locked, for who writes it anew: what
    its attendee has changed meanwhile must not be undone."""
    known = select(Registration).where(
        Registration.discussion_id == discussion.id,
        Registration.address_index == address_index(tx.keys, discussion.uid, address),
    )
    if lock:
        # Letters refer to the row meanwhile: only its key must stay.
        known = known.with_for_update(key_share=True).execution_options(populate_existing=True)
    return tx.scalar(known)


def enter(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration | None
) -> tuple[int, LetterKind]:
    """Write a registration, over one that is `known` and means to come no more, or not yet.

    Returns its id, and which letter tells of it. The discussion is locked (`seating.changing`).
    """
    values = _entered(tx, discussion, entry, known)
    index = address_index(tx.keys, discussion.uid, entry.address)
    return _keep(tx, discussion, known, index, values), _first_letter(values)


def confirm(tx: Transaction, registration: Registration) -> None:
    """Confirm that the attendee reads the address; a second time changes nothing."""
    tx.hold_keys()
    with allocation.changing(tx, registration.discussion_id, promotes=True) as discussion:
        if not allocation.is_still_there(tx, registration):
            return
        if registration.status is not RegistrationStatus.UNCONFIRMED:
            return
        place = allocation.settle(tx, discussion, registration)
        registration.seated_at, registration.queue_position = place.seated_at, place.queue_position
        registration.seat_held_until = None
        registration.confirmed_at = tx.now
        registration.erase_at = erase_at(discussion, registration.registered_at, tx.settings)
        registration.calendar_sequence = _returning(registration)
        kind = LetterKind.CONFIRMATION if place.seated_at else LetterKind.WAITING
        if may_answer(tx, registration):
            owe(tx, registration.id, kind, discussion)


def may_answer(tx: Transaction, registration: Registration) -> bool:
    """Whether another letter may answer what is done on the attendee's own page today."""
    return rate_limits.take(tx, "answers", registration.public_id, capacity=ANSWERS_A_DAY)


def may_write_to_all(
    tx: Transaction, discussion: Discussion, mailboxes: Counter[str]
) -> dict[str, int]:
    """Return how many of so many letters each of these mailboxes may get, as `may_write_to` does of
    one."""
    buckets: dict[tuple[str, ...], int] = {
        ("letters", discussion.uid, box): count for box, count in mailboxes.items()
    }
    given = rate_limits.take_many(tx, buckets, capacity=LETTERS_A_DAY)
    return {name[-1]: count for name, count in given.items()}


def may_write_to(tx: Transaction, discussion: Discussion, mailbox: str) -> bool:
    """Whether this mailbox may get another letter about this discussion that others can cause."""
    return rate_limits.take(tx, "letters", discussion.uid, mailbox, capacity=LETTERS_A_DAY)


def owe(tx: Transaction, registration_id: int, kind: LetterKind, discussion: Discussion) -> None:
    """Owe a letter to a registration, in this transaction."""
    outbox.post(tx, registration_id, kind, revision=discussion.version, host=tx.settings.host)


def _entered(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration | None
) -> dict[str, Any]:
    """Return the columns of a registration as the form makes it."""
    if known:
        attendee = known.attendee(tx.keys)
    else:
        attendee = Attendee(secrets.token_hex(16), new_token(), new_token(), "", "")
    attendee = replace(
        attendee,
        name=entry.name,
        address=entry.address.sent,
        affiliation=entry.affiliation,
        answers=entry.answers,
        shared_with=entry.shared_with,
        new_address="",
    )
    place = allocation.assign(tx, discussion, known)
    asks = discussion.content.address_confirmation
    return {
        "public_id": attendee.public_id,
        "token_hash": token_hash(attendee.token),
        "calendar_token_hash": token_hash(attendee.calendar_token),
        "sealed": attendee.sealed(tx.keys),
        "key_id": tx.keys.current,
        "registered_at": tx.now,
        "confirmed_at": None if asks else tx.now,
        "withdrawn_at": None,
        "seated_at": place.seated_at,
        "queue_position": place.queue_position,
        "seat_held_until": place.seat_held_until if asks else None,
        "erase_at": tx.now + UNCONFIRMED_LIFE
        if asks
        else erase_at(discussion, tx.now, tx.settings),
        **{name: getattr(entry, name) for name in IN_THE_CLEAR},
    }


def _keep(
    tx: Transaction,
    discussion: Discussion,
    known: Registration | None,
    index: bytes,
    values: dict[str, Any],
) -> int:
    """Write the row, by Core: this is the one path that hundreds take at once."""
    if known:
        if values["confirmed_at"]:
            values |= {"calendar_sequence": _returning(known)}
        tx.execute(update(Registration).where(Registration.id == known.id).values(**values))
        return known.id
    values |= {"discussion_id": discussion.id, "address_index": index}
    values |= {"calendar_sequence": discussion.first_calendar_sequence}
    values |= {"told_revision": discussion.version}
    added = insert(rows(Registration)).values(**values).returning(rows(Registration).c.id)
    return int(tx.execute(added).scalar_one())


def _returning(known: Registration) -> int:
    """Return the calendar's count of who confirms: back after a withdrawal, they must outrank
    its CANCEL (RFC 5546 2.1.4)."""
    return known.calendar_sequence + (known.calendar_sequence > 0)


def _first_letter(values: dict[str, Any]) -> LetterKind:
    if not values["confirmed_at"]:
        return LetterKind.ADDRESS_CONFIRMATION
    return LetterKind.CONFIRMATION if values["seated_at"] else LetterKind.WAITING
