"""SQL expressions for the status of a registration and the state of its last letter."""

from sqlalchemy import ColumnElement, ScalarSelect, and_, select

from ...models import Letter, LetterState, Registration, RegistrationStatus


def has_status(status: RegistrationStatus) -> ColumnElement[bool]:
    """Return the condition that a registration has `status`, as `RegistrationStatus.of` decides."""
    is_active = Registration.withdrawn_at.is_(None)
    is_confirmed = Registration.confirmed_at.is_not(None)
    is_seated = Registration.seated_at.is_not(None)
    return {
        RegistrationStatus.WITHDRAWN: ~is_active,
        RegistrationStatus.UNCONFIRMED: and_(is_active, ~is_confirmed),
        RegistrationStatus.CONFIRMED: and_(is_active, is_confirmed, is_seated),
        RegistrationStatus.WAITING: and_(is_active, is_confirmed, ~is_seated),
    }[status]


def last_letter_state() -> ScalarSelect[LetterState]:
    """Return the state of a registration's newest letter; NULL if it has none."""
    return (
        select(Letter.state)
        .where(Letter.registration_id == Registration.id)
        .order_by(Letter.id.desc())
        .limit(1)
        .scalar_subquery()
    )
