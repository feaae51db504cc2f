"""Registers attendees.

The response is the same for every address. That an address is registered already is told by letter
to that address only, at most `LETTERS_A_DAY` times.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import insert, select

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
from . import unconfirmed_forms

# Letters to one address for a discussion, and answers to acts on an attendee's own page.
LETTERS_A_DAY = 3
ANSWERS_A_DAY = 6
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

    Each form for an address that is known and not registered keeps its own text until the link in
    its own letter confirms it; without a letter it is not kept. Once confirmed, only the attendee's
    own page can change the registration. Raises `NoSuchDiscussion`, `RegistrationClosed`.
    """
    tx.hold_keys()
    with allocation.locked_discussion(tx, find_id(tx, slug), promotes=True) as discussion:
        if not discussion.takes_registrations(tx.now):
            raise RegistrationClosed
        known = find_by_address(tx, discussion, entry.address, lock=True)
        may_write = may_write_to(tx, discussion, entry.address.mailbox)
        added = None if known else write_registration(tx, discussion, entry)
        with tx.begin_nested() as savepoint:
            if known:
                _answer_known(tx, discussion, entry, known)
            elif added:
                owe_letter(tx, *added, discussion)
            if not may_write:  # undone only now, so that the time taken does not tell
                savepoint.rollback()


def _answer_known(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration
) -> None:
    """Owe the letter to an address with a row: a link to confirm, or that it is registered."""
    if not known.is_registered:
        owe_form_letter(tx, discussion, entry, known)
        return
    # Seal the same data again, which takes as long as for an unknown address.
    known.seal(known.attendee(tx.keys), tx.keys)
    tx.flush()
    owe_letter(tx, known.id, LetterKind.ALREADY_REGISTERED, discussion)


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
    tx: Transaction, discussion: Discussion, entry: Entry
) -> tuple[int, LetterKind]:
    """Insert a registration, without the ORM: hundreds may register at once.

    Returns its id, and the kind of letter that it calls for. The caller is inside
    `allocation.locked_discussion`.
    """
    values = _columns(tx, discussion, entry)
    added = insert(table_of(Registration)).values(**values).returning(table_of(Registration).c.id)
    return int(tx.execute(added).scalar_one()), _first_letter(values)


def owe_form_letter(
    tx: Transaction, discussion: Discussion, entry: Entry, known: Registration
) -> None:
    """Keep a form for the address of an unconfirmed or withdrawn registration, and owe its letter.

    It asks to confirm even where the discussion does not: nobody but the reader of the address may
    replace what is there.
    """
    form = unconfirmed_forms.add(tx, discussion, known, _typed(entry))
    owe_letter(tx, known.id, LetterKind.ADDRESS_CONFIRMATION, discussion, form.id)


def _typed(entry: Entry) -> dict[str, Any]:
    """Return the fields of an entry as they are sealed."""
    typed = {item.name: getattr(entry, item.name) for item in fields(entry)}
    return typed | {"address": entry.address.sent}


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
    tx: Transaction,
    registration_id: int,
    kind: LetterKind,
    discussion: Discussion,
    pending_form_id: int | None = None,
) -> None:
    """Add a letter to a registration to the outbox, in this transaction. One that asks to confirm
    confirms a pending form, or the registration's own text."""
    outbox.post(
        tx,
        registration_id,
        kind,
        revision=discussion.version,
        pending_form_id=pending_form_id,
    )


def owe_link(tx: Transaction, registration: Registration, discussion: Discussion) -> None:
    """Owe an attendee their link; unconfirmed, the newest letter that asks to confirm."""
    newest, kind = None, LetterKind.LINK
    if registration.status is RegistrationStatus.UNCONFIRMED:
        newest, kind = (
            unconfirmed_forms.newest_id(tx, registration),
            LetterKind.ADDRESS_CONFIRMATION,
        )
    owe_letter(tx, registration.id, kind, discussion, newest)


def _columns(tx: Transaction, discussion: Discussion, entry: Entry) -> dict[str, Any]:
    """Return the columns of the registration that an entry makes."""
    attendee = Attendee(
        secrets.token_hex(16),
        new_token(),
        new_token(),
        entry.name,
        entry.address.sent,
        entry.affiliation,
        entry.answers,
        entry.shared_with,
        language=entry.language,
        zone=entry.zone,
    )
    place = allocation.place_on_registering(tx, discussion, None)
    asks = discussion.content.address_confirmation
    return {
        "public_id": attendee.public_id,
        "discussion_id": discussion.id,
        "address_index": address_index(tx.keys, discussion.uid, entry.address),
        "token_hash": token_hash(attendee.token),
        "calendar_token_hash": token_hash(attendee.calendar_token),
        "sealed": attendee.sealed(tx.keys),
        "key_id": tx.keys.current,
        "registered_at": tx.now,
        "confirmed_at": None if asks else tx.now,
        "seated_at": place.seated_at,
        "queue_position": place.queue_position,
        "seat_held_until": place.seat_held_until if asks else None,
        "erase_at": erase_at(discussion, tx.now, tx.settings, has_confirmed=not asks),
        "calendar_sequence": discussion.first_calendar_sequence,
        "told_revision": discussion.version,
        "wants_follow_up": entry.wants_follow_up,
    }


def _first_letter(values: dict[str, Any]) -> LetterKind:
    if not values["confirmed_at"]:
        return LetterKind.ADDRESS_CONFIRMATION
    return LetterKind.CONFIRMATION if values["seated_at"] else LetterKind.WAITING
