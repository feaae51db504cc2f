"""Where registrations stand, and their letters, in SQL."""

from sqlalchemy import ColumnElement, ScalarSelect, and_, select

from ...models import Letter, LetterState, Registration, RegistrationStatus


def has_status(status: RegistrationStatus) -> ColumnElement[bool]:
    """Return whether a registration stands there, as `RegistrationStatus.of` tells of one."""
    here = Registration.withdrawn_at.is_(None)
    is_confirmed, is_seated = (
        Registration.confirmed_at.is_not(None),
        Registration.seated_at.is_not(None),
    )
    return {
        RegistrationStatus.WITHDRAWN: ~here,
        RegistrationStatus.UNCONFIRMED: and_(here, ~is_confirmed),
        RegistrationStatus.CONFIRMED: and_(here, is_confirmed, is_seated),
        RegistrationStatus.WAITING: and_(here, is_confirmed, ~is_seated),
    }[status]


def last_letter_state() -> ScalarSelect[LetterState]:
    """Return what became of the letter that a registration was owed last; NULL without one."""
    return (
        select(Letter.state)
        .where(Letter.registration_id == Registration.id)
        .order_by(Letter.id.desc())
        .limit(1)
        .scalar_subquery()
    )
