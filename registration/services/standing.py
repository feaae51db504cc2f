"""Where registrations stand, as a condition in SQL."""

from sqlalchemy import ColumnElement, and_

from ..models import Registration, RegistrationStatus


def stands(status: RegistrationStatus) -> ColumnElement[bool]:
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
