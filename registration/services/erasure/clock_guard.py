"""Keeps a wrong clock from erasing data too early or too late.

A clock that jumps ahead looks like a service that was off. So when more than `CLOCK_JUMP` lies
between two rounds, erasure waits for `ERASURE_WAIT`, in which the operator can correct the clock.
A machine that runs for an hour a week erases every other time.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from ...database import Transaction
from ...models import Discussion, Installation, PendingForm, Registration
from ..seats import allocation, retention

CLOCK_JUMP = timedelta(days=2)
ERASURE_WAIT = timedelta(hours=24)


def waits_until(tx: Transaction) -> datetime | None:
    """Note a jump since the last round; return until when erasure waits, None if it does not.

    A clock before the noted jump has been set back: registrations dated after that are redated.
    """
    installation = tx.get_one(Installation, 1, with_for_update=True, populate_existing=True)
    jumped, last = installation.clock_jumped_at, installation.last_round_at
    if jumped is None and last is not None and tx.now - last > CLOCK_JUMP:
        jumped = tx.now
    elif jumped is not None and tx.now < jumped:
        _redate(tx, jumped)
        jumped = None
    elif jumped is not None and tx.now >= jumped + ERASURE_WAIT:
        jumped = None
    installation.clock_jumped_at = jumped
    return jumped + ERASURE_WAIT if jumped else None


def _redate(tx: Transaction, since: datetime) -> None:
    """Date registrations and forms from `since` or later, which a wrong clock made, as made now."""
    forms = update(PendingForm).where(PendingForm.made_at >= since).values(made_at=tx.now)
    formed = set(tx.scalars(forms.returning(PendingForm.registration_id)))
    misdated = tx.execute(
        select(Registration, Discussion)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(or_(Registration.registered_at >= since, Registration.id.in_(formed)))
    )
    for registration, discussion in misdated:
        _redate_registration(tx, registration, discussion, since)


def _redate_registration(
    tx: Transaction, registration: Registration, discussion: Discussion, since: datetime
) -> None:
    """Date a registration, or the seat that is held for its form, as of now."""
    is_misdated = registration.registered_at >= since
    if is_misdated:
        registration.registered_at = tx.now
    if is_misdated or not registration.has_confirmed:
        registration.erase_at = retention.erase_at(
            discussion, tx.now, tx.settings, has_confirmed=registration.has_confirmed
        )
    if registration.seat_held_until:
        registration.seat_held_until = tx.now + allocation.SEAT_HOLD
