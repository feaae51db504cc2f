"""Asks a second organizer to agree to an export, by the code that their app shows now.

Where attendees are at risk, one organizer who is phished, pressed or bought must not be enough.
"""

from sqlalchemy import ColumnElement, and_, exists, or_, select

from ...database import Transaction
from ...models import Discussion, Grant, Organizer, Role, organizer_index
from ...text.addresses import EmailAddress
from . import authentication


def is_there(tx: Transaction, first: Organizer, discussion: Discussion) -> bool:
    """Whether anybody but `first` could agree to an export of a discussion."""
    return bool(tx.scalar(select(exists().where(_may_agree(first, discussion)))))


def has_agreed(
    tx: Transaction, first: Organizer, discussion: Discussion, address: EmailAddress, code: str
) -> int | None:
    """Return the id of the second organizer, if the code is theirs and right; else None.

    A wrong code counts as at their sign-in, and a right one is used up: commit in any case.
    """
    tx.hold_keys()
    index = organizer_index(tx.keys, address)
    named = select(Organizer).where(Organizer.address_index == index, _may_agree(first, discussion))
    second = tx.scalar(named.with_for_update())
    if second is None or not authentication.use_app_code(tx, second, code):
        return None
    return second.id


def _may_agree(first: Organizer, discussion: Discussion) -> ColumnElement[bool]:
    given = exists().where(Grant.organizer_id == Organizer.id, Grant.discussion_id == discussion.id)
    has_rights = or_(
        Organizer.role == Role.ADMINISTRATOR, and_(Organizer.role == Role.ORGANIZER, given)
    )
    can_sign_in = and_(Organizer.removed_at.is_(None), Organizer.password_hash.is_not(None))
    return and_(Organizer.id != first.id, can_sign_in, has_rights)
