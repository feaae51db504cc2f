"""Keeps each form for an address that has a row already, until the link in its letter confirms it.

A form never changes the row: what a link confirms is what its page shows, whatever others send for
the same address meanwhile.
"""

from typing import Any

from sqlalchemy import select

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction
from ...models import (
    Discussion,
    FormText,
    LetterKind,
    PendingForm,
    Registration,
    RegistrationStatus,
)
from ..erasure import erasures
from ..seats import allocation, retention


def add(
    tx: Transaction, discussion: Discussion, known: Registration, typed: dict[str, Any]
) -> PendingForm:
    """Keep a form for the address of `known`, which is unconfirmed or withdrawn.

    A seat is held for it as for a new registration. The caller is inside
    `allocation.locked_discussion`.
    """
    place = allocation.place_on_registering(tx, discussion, known)
    known.seated_at, known.queue_position = place.seated_at, place.queue_position
    known.seat_held_until = place.seat_held_until
    token = new_token()
    form = PendingForm(registration_id=known.id, token_hash=token_hash(token), made_at=tx.now)
    form.seal(FormText.of(token, **typed), tx.keys)
    if known.status is RegistrationStatus.UNCONFIRMED:
        known.erase_at = max(known.erase_at, tx.now + retention.UNCONFIRMED_RETENTION)
    tx.add(form)
    tx.flush()
    return form


def find(tx: Transaction, token: str) -> PendingForm | None:
    """Return the form whose letter has `token`, also one that confirms nothing any more."""
    named = select(PendingForm).where(PendingForm.token_hash == token_hash(token))
    return tx.scalar(named.execution_options(populate_existing=True))


def of(tx: Transaction, registration: Registration) -> list[PendingForm]:
    """Return the forms of a registration that a link can still confirm, the newest first."""
    return [form for form in every(tx, registration) if form.passed_at is None]


def every(tx: Transaction, registration: Registration) -> list[PendingForm]:
    """Return all forms of a registration, the newest first."""
    theirs = select(PendingForm).where(PendingForm.registration_id == registration.id)
    return list(tx.scalars(theirs.order_by(PendingForm.id.desc())))


def former_tokens(tx: Transaction, registration: Registration) -> list[str]:
    """Return the tokens of links that lead on to a registration's own page."""
    passed = (form for form in every(tx, registration) if form.passed_at)
    return [form.text(tx.keys).token for form in passed]


def newest_id(tx: Transaction, registration: Registration) -> int | None:
    """Return the id of the newest form that waits; None if only the row's own text does."""
    return next((form.id for form in of(tx, registration)), None)


def shown(tx: Transaction, form: PendingForm, registration: Registration) -> Registration:
    """Return the registration as this form has it, to show on its page and in its letter."""
    erase_at = form.made_at + retention.UNCONFIRMED_RETENTION
    return form.as_registered(registration, erase_at, tx.keys)


def accept(tx: Transaction, form: PendingForm, registration: Registration) -> None:
    """Give a registration the text and the token of a form; the token that it had leads on."""
    text, before = form.text(tx.keys), registration.attendee(tx.keys)
    registration.seal(text.attendee_of(before), tx.keys)
    registration.token_hash, registration.registered_at = form.token_hash, form.made_at
    registration.wants_follow_up, registration.answers_erased_at = text.wants_follow_up, None
    tx.delete(form)
    old = PendingForm(registration_id=registration.id, made_at=tx.now, passed_at=tx.now)
    old.token_hash = token_hash(before.token)
    old.seal(FormText.of(before.token), tx.keys)
    tx.add(old)
    tx.flush()


def forget(tx: Transaction, registration: Registration) -> None:
    """Erase the text of the forms of a registration that was confirmed: their links lead on."""
    for form in of(tx, registration):
        form.seal(form.text(tx.keys).without_text, tx.keys)
        form.passed_at = tx.now
    outbox.drop(tx, registration.id, LetterKind.ADDRESS_CONFIRMATION)


def end(tx: Transaction, registration: Registration) -> None:
    """Erase all forms of a registration whose address changes: their links went to the old one."""
    erasures.erase_forms(tx, PendingForm.registration_id == registration.id)
