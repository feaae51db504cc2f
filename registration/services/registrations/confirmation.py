"""Opens the link of a letter, and confirms what its page shows."""

from dataclasses import dataclass

from ...database import Transaction
from ...models import (
    Discussion,
    PendingForm,
    Registration,
    RegistrationStatus,
)
from .. import shown
from ..seats import allocation
from ..seats.retention import erase_at
from . import register, self_service, unconfirmed_forms
from .self_service import NoSuchRegistration

# What the digest of an own page's buttons is for.
PURPOSE = "own page"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a personal link opens.

    `registration` is the row, and `form` the form that the link confirms; without one it is the
    row's own text. `shown` is the registration as the page shows it. A link that `is_passed` shows
    no text, because another form was confirmed.
    """

    registration: Registration
    discussion: Discussion
    form: PendingForm | None
    shown: Registration
    newer: PendingForm | None  # the newest form of the same address, unless this link confirms it

    @property
    def is_passed(self) -> bool:
        return self.form is not None and self.form.passed_at is not None

    @property
    def can_confirm(self) -> bool:
        """Whether its button confirms a registration."""
        is_unconfirmed = self.shown.status is RegistrationStatus.UNCONFIRMED
        return is_unconfirmed and not self.is_passed and not self.registration.is_registered


def open_link(tx: Transaction, token: str) -> Opened:
    """Return what the link with `token` opens, or raise `NoSuchRegistration`.

    Its letter went to the registration's address: a change of address ends it.
    """
    form = unconfirmed_forms.find(tx, token)
    if form is None:
        registration, discussion = self_service.by_token(tx, token)
    else:
        found = tx.get(Registration, form.registration_id, populate_existing=True)
        if found is None:
            raise NoSuchRegistration
        registration, discussion = found, tx.get_one(Discussion, found.discussion_id)
    newest = next(iter(unconfirmed_forms.of(tx, registration)), None)
    is_newest = newest is None or (form is not None and newest.id == form.id)
    is_text = form is not None and form.passed_at is None
    text = unconfirmed_forms.shown(tx, form, registration) if form and is_text else registration
    return Opened(registration, discussion, form, text, None if is_newest else newest)


def digest(tx: Transaction, opened: Opened) -> str:
    """Return the digest that each button of an own page carries."""
    return shown.digest(tx, PURPOSE, shown.facts_of(tx, opened.shown, opened.discussion))


def refuse_if_changed(tx: Transaction, opened: Opened, seen: str) -> None:
    """Raise `ChangedSinceShown` if the page of a link is not the one that was seen."""
    facts = shown.facts_of(tx, opened.shown, opened.discussion)
    shown.refuse_if_changed(tx, PURPOSE, facts, seen)


def open_locked(tx: Transaction, token: str) -> Opened:
    """Lock what the link with `token` opens, and return it: nobody changes it until the transaction
    ends. Raises `NoSuchRegistration`."""
    tx.hold_keys()
    registration = open_link(tx, token).registration
    tx.get_one(Discussion, registration.discussion_id, with_for_update=True)
    if not allocation.is_still_there(tx, registration):
        raise NoSuchRegistration
    return open_link(tx, token)


def confirm(tx: Transaction, token: str, seen: str) -> None:
    """Confirm the text that the link with `token` shows; a second time changes nothing.

    Raises `NoSuchRegistration`; and `ChangedSinceShown` unless `seen` is the page's digest.
    """
    opened = open_locked(tx, token)
    if not opened.can_confirm:
        return
    refuse_if_changed(tx, opened, seen)
    registration = opened.registration
    with allocation.locked_discussion(tx, registration.discussion_id, promotes=True) as discussion:
        if opened.form:
            unconfirmed_forms.accept(tx, opened.form, registration)
        unconfirmed_forms.forget(tx, registration)
        _settle(tx, discussion, registration)


def _settle(tx: Transaction, discussion: Discussion, registration: Registration) -> None:
    """Give a registration that is confirmed now its seat, its dates and its letter."""
    place = allocation.place_on_confirming(tx, discussion, registration)
    registration.seated_at, registration.queue_position = place.seated_at, place.queue_position
    registration.seat_held_until = registration.withdrawn_at = None
    registration.confirmed_at = registration.address_proved_at = tx.now
    registration.erase_at = erase_at(discussion, registration.registered_at, tx.settings)
    # After a withdrawal it must be above that of the CANCEL (RFC 5546 2.1.4).
    registration.calendar_sequence += registration.calendar_sequence > 0
    if register.may_answer(tx, registration):
        kind = register.LETTER_OF_STATUS[registration.status]
        register.owe_letter(tx, registration.id, kind, discussion)
