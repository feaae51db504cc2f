"""Collects everything that is stored about an attendee, for that attendee."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from ...database import Transaction
from ...models import (
    Discussion,
    Letter,
    LetterKind,
    PendingForm,
    Registration,
    RegistrationStatus,
)
from ..seats import allocation
from ..seats.retention import UNCONFIRMED_RETENTION
from . import unconfirmed_forms


def disclose(tx: Transaction, registration: Registration, discussion: Discussion) -> dict[str, Any]:
    """Return all data of an attendee as values for JSON, by plain names (GDPR Art. 15 and 20)."""
    attendee = registration.attendee(tx.keys)
    is_waiting = registration.status is RegistrationStatus.WAITING
    place = allocation.waiting_before(tx, registration) + 1 if is_waiting else None
    return {
        "discussion": discussion.content.title,
        "status": registration.status.value,
        "name": attendee.name,
        "email": attendee.address,
        "new_email": attendee.new_address or None,
        "affiliation": attendee.affiliation,
        "answers": attendee.answers,
        "shared_with": attendee.shared_with,
        "language": attendee.language,
        "zone": attendee.zone,
        "wants_follow_up": registration.wants_follow_up,
        "mailings_stopped_at": _iso(registration.mailings_stopped_at),
        "registered_at": registration.registered_at.isoformat(),
        "confirmed_at": _iso(registration.confirmed_at),
        "address_proved_at": _iso(registration.address_proved_at),
        "withdrawn_at": _iso(registration.withdrawn_at),
        "attended_at": _iso(registration.attended_at),
        "answers_erased_at": _iso(registration.answers_erased_at),
        "seated_at": _iso(registration.seated_at),
        "seat_held_until": _iso(registration.seat_held_until),
        # As the page shows it: queue_position also counts attendees who never confirmed.
        "place": place,
        "calendar_sequence": registration.calendar_sequence,
        "other_forms": [_form(tx, form) for form in unconfirmed_forms.every(tx, registration)],
        "letters": _letters(tx, registration),
        "erased_at_the_latest": registration.erase_at.isoformat(),
    }


def _form(tx: Transaction, form: PendingForm) -> dict[str, Any]:
    """Return a form for the same address; no text is left of one after another was confirmed."""
    text = form.text(tx.keys)
    times = {"sent_at": form.made_at.isoformat(), "passed_over_at": _iso(form.passed_at)}
    if form.passed_at:
        return times
    return times | {
        "name": text.name,
        "email": text.address,
        "affiliation": text.affiliation,
        "answers": text.answers,
        "shared_with": text.shared_with,
        "language": text.language,
        "zone": text.zone,
        "wants_follow_up": text.wants_follow_up,
        "erased_at_the_latest": (form.made_at + UNCONFIRMED_RETENTION).isoformat(),
    }


def _letters(tx: Transaction, registration: Registration) -> list[dict[str, Any]]:
    letters = tx.scalars(
        select(Letter)
        .where(
            Letter.registration_id == registration.id,
            # A letter about a new address would tell whether that address is registered.
            Letter.kind != LetterKind.ADDRESS_CHANGE,
        )
        .order_by(Letter.id)
    )
    return [_letter(tx, letter) for letter in letters]


def _letter(tx: Transaction, letter: Letter) -> dict[str, Any]:
    return {
        "kind": letter.kind.value,
        "state": letter.state.value,
        "message_id": letter.message_id(tx.keys, tx.settings.host),
        "posted_at": letter.posted_at.isoformat(),
        "sent_at": _iso(letter.sent_at),
        "attempts": letter.attempts,
        "server_answer": letter.server_answer,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
