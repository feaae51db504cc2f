"""Selects and counts the attendees in the groups of a mailing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Select,
    and_,
    false,
    func,
    or_,
    select,
)

from ...database import Transaction
from ...models import Discussion, Group, Registration


def select_ids(
    discussion: Discussion, groups: Sequence[str], *, has_link: bool, now: datetime
) -> Select[int]:
    """Return the SELECT of the ids of the registrations that a mailing goes to, each once.

    A mailing that `has_link` to join goes only to attendees with a seat.
    """
    wanted = select(Registration.id).where(
        _is_in(discussion, groups, now), Registration.mailings_stopped_at.is_(None)
    )
    return wanted.where(Registration.has_seat) if has_link else wanted


def _is_in(discussion: Discussion, groups: Sequence[str], now: datetime) -> ColumnElement[bool]:
    is_over = discussion.ends_at <= now
    attended = Registration.attended_at.is_not(None)
    conditions: dict[Group, ColumnExpressionArgument[bool]] = {
        Group.CONFIRMED: Registration.has_seat,
        Group.WAITING: ~Registration.has_seat,
        Group.ATTENDED: attended,
        # Before it is over nobody has been absent, even if it was when the mailing was drafted.
        Group.ABSENT: and_(Registration.has_seat, ~attended) if is_over else false(),
    }
    return and_(
        Registration.discussion_id == discussion.id,
        Registration.is_registered,
        or_(false(), *(conditions[group] for group in Group if group in groups)),
    )


def count(
    tx: Transaction, discussion: Discussion, groups: Sequence[str], *, has_link: bool = False
) -> int:
    """Return how many attendees a mailing to `groups` would go to now."""
    wanted = select_ids(discussion, groups, has_link=has_link, now=tx.now)
    return tx.scalars(select(func.count()).select_from(wanted.subquery())).one()


def count_stopped(tx: Transaction, discussion: Discussion, groups: Sequence[str]) -> int:
    """Return how many attendees in `groups` have stopped mailings."""
    is_stopped = Registration.mailings_stopped_at.is_not(None)
    wanted = select(func.count()).where(_is_in(discussion, groups, tx.now), is_stopped)
    return tx.scalars(wanted).one()
