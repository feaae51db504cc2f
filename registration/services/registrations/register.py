"""Registers and confirms attendees.

The response is the same for every address. That an address is registered already is told by letter
to that address only, at most `LETTERS_A_DAY` times.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import insert, select, update

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction, table_of
from ...models import (
    Answer,
    Attendee,
    Discussion,
    LetterKind,
    Registration,
    RegistrationStatus,
    address_index,
)
from ...refusals import N_, Refusal
from ...text.addresses import EmailAddress
from .. import rate_limits
from ..catalog import find_id
from ..seats import allocation
from ..seats.retention import erase_at

# Letters to one address for a discussion, and answers to acts on an attendee's own page.
LETTERS_A_DAY = 3
ANSWERS_A_DAY = 6
# Limits of an entry's texts.
MAX_NAME_CHARACTERS = 200
MAX_LINE_CHARACTERS = 300
MAX_LONG_CHARACTERS = 2000
# Fields of an entry that are stored without being sealed.
UNSEALED_FIELDS = ("language", "zone", "wants_follow_up")
# The letter that tells attendees where their registration stands.
LETTER_OF_STATUS = {
    RegistrationStatus.UNCONFIRMED: LetterKind.ADDRESS_CONFIRMATION,
    RegistrationStatus.CONFIRMED: LetterKind.CONFIRMATION,
    RegistrationStatus.WAITING: LetterKind.WAITING,
}


class RegistrationClosed(Refusal):
    """The discussion takes no registrations now."""

    sentence = N_("Registration for this discussion is closed.")


@dataclass(frozen=True, slots=True)
class Entry:
    """The validated values of a registration form."""

    name: str
    address: EmailAddress
    affiliation: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    shared_with: list[dict[str, Any]] = field(default_factory=list)
    language: str = "en"
    zone: str | None = None
    wants_follow_up: bool = False


def register(tx: Transaction, slug: str, entry: Entry) -> None:
    """Register an entry; if its address is confirmed already, owe that address a letter instead.

    Until an address is confirmed, the last form wins; afterwards only the attendee's own page can
    change the registration. Raises `NoSuchDiscussion`, `RegistrationClosed`.
    """
    tx.hold_keys()
    with allocation.locked_discussion(tx, find_id(tx, slug), promotes=True) as discussion:
        if not discussion.takes_registrations(tx.now):
            raise RegistrationClosed
        known = find_by_address(tx, discussion, entry.address, lock=True)
        mailbox = entry.address.mailbox
        may_write = may_write_to(tx, discussion, mailbox)
        if known and known.is_registered:
            number, kind = known.id, LetterKind.ALREADY_REGISTERED
            # Seal the same data again, which takes as long as for an unknown address.
            known.seal(known.attendee(tx.keys), tx.keys)
            tx.flush()
        else:
            number, kind = write_registration(tx, discussion, entry, known)
        with tx.begin_nested() as savepoint:
            owe_letter(tx, number, kind, discussion)
            if not may_write:  # undone only now, so that the time taken does not tell
                savepoint.rollback()


def find_by_address(
    tx: Transaction, discussion: Discussion, address: EmailAddress, *, lock: bool = False
) -> Registration | None:
    """Return the registration of an address in a discussion, or None.

    Lock it to overwrite it, so that a concurrent change of its attendee is not undone.
    """
    known = select(Registration).where(
        Registration.discussion_id == discussion.id,
        Registration.address_index == address_index(tx.keys, discussion.uid, address),
    )
    if lock:
        # Letters refer to the row meanwhile: only its key must stay.
        known = known.with_for_update(key_share=True).execution_options(populate_existing=True)
    return tx.scalar(known)


def write_registration(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration | None
) -> tuple[int, LetterKind]:
    """Insert a registration, or overwrite the `known` one, which is withdrawn or unconfirmed.

    Returns its id, and the kind of letter that it calls for. The caller is inside
    `allocation.locked_discussion`.
    """
    values = _columns(tx, discussion, entry, known)
    index = address_index(tx.keys, discussion.uid, entry.address)
    return _write_row(tx, discussion, known, index, values), _first_letter(values)


def confirm(tx: Transaction, registration: Registration) -> None:
    """Confirm a registration; a second time changes nothing."""
    tx.hold_keys()
    with allocation.locked_discussion(tx, registration.discussion_id, promotes=True) as discussion:
        if not allocation.is_still_there(tx, registration):
            return
        if registration.status is not RegistrationStatus.UNCONFIRMED:
            return
        place = allocation.place_on_confirming(tx, discussion, registration)
        registration.seated_at, registration.queue_position = place.seated_at, place.queue_position
        registration.seat_held_until = None
        registration.confirmed_at = tx.now
        registration.erase_at = erase_at(discussion, registration.registered_at, tx.settings)
        registration.calendar_sequence = _calendar_sequence(registration)
        if may_answer(tx, registration):
            owe_letter(tx, registration.id, LETTER_OF_STATUS[registration.status], discussion)


def may_answer(tx: Transaction, registration: Registration) -> bool:
    """Take one of `ANSWERS_A_DAY`; return whether there was one left."""
    return rate_limits.take(tx, "answers", registration.public_id, capacity=ANSWERS_A_DAY)


def may_write_to_all(
    tx: Transaction, discussion: Discussion, mailboxes: Counter[str]
) -> dict[str, int]:
    """Take as `may_write_to` does, for as many letters as `mailboxes` counts for each; return how
    many each may get."""
    buckets: dict[tuple[str, ...], int] = {
        ("letters", discussion.uid, box): count for box, count in mailboxes.items()
    }
    given = rate_limits.take_many(tx, buckets, capacity=LETTERS_A_DAY)
    return {name[-1]: count for name, count in given.items()}


def may_write_to(tx: Transaction, discussion: Discussion, mailbox: str) -> bool:
    """Take one of a mailbox's `LETTERS_A_DAY` for a discussion; return whether one was left."""
    return rate_limits.take(tx, "letters", discussion.uid, mailbox, capacity=LETTERS_A_DAY)


def owe_letter(
    tx: Transaction, registration_id: int, kind: LetterKind, discussion: Discussion
) -> None:
    """Add a letter to a registration to the outbox, in this transaction."""
    outbox.post(tx, registration_id, kind, revision=discussion.version, host=tx.settings.host)


def _columns(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration | None
) -> dict[str, Any]:
    """Return the columns of the registration that an entry makes."""
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
    place = allocation.place_on_registering(tx, discussion, known)
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
        "answers_erased_at": None,
        "seated_at": place.seated_at,
        "queue_position": place.queue_position,
        "seat_held_until": place.seat_held_until if asks else None,
        "erase_at": erase_at(discussion, tx.now, tx.settings, has_confirmed=not asks),
        **{name: getattr(entry, name) for name in UNSEALED_FIELDS},
    }


def _write_row(
    tx: Transaction,
    discussion: Discussion,
    known: Registration | None,
    index: bytes,
    values: dict[str, Any],
) -> int:
    """Insert or update the row, without the ORM: hundreds may register at once."""
    if known:
        if values["confirmed_at"]:
            values |= {"calendar_sequence": _calendar_sequence(known)}
        tx.execute(update(Registration).where(Registration.id == known.id).values(**values))
        return known.id
    values |= {"discussion_id": discussion.id, "address_index": index}
    values |= {"calendar_sequence": discussion.first_calendar_sequence}
    values |= {"told_revision": discussion.version}
    added = insert(table_of(Registration)).values(**values).returning(table_of(Registration).c.id)
    return int(tx.execute(added).scalar_one())


def _calendar_sequence(known: Registration) -> int:
    """Return the SEQUENCE of the attendee's calendar entry: after a withdrawal it must be above
    that of the CANCEL (RFC 5546 2.1.4)."""
    return known.calendar_sequence + (known.calendar_sequence > 0)


def _first_letter(values: dict[str, Any]) -> LetterKind:
    if not values["confirmed_at"]:
        return LetterKind.ADDRESS_CONFIRMATION
    return LetterKind.CONFIRMATION if values["seated_at"] else LetterKind.WAITING
