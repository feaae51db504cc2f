"""Counts a discussion's registrations by status and by day, and its letters by state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select, true

from ...database import Transaction
from ...models import (
    Discussion,
    Letter,
    LetterState,
    Organizer,
    Registration,
    RegistrationStatus,
    Role,
)
from ..organizers import accounts

# A discussion's counts by status, and when its first and its last registration is erased.
People = tuple[dict[str, int], datetime, datetime]
# More days than this are counted by weeks; there are never more spans than this.
MAX_SPANS = 62


@dataclass(frozen=True, slots=True)
class Numbers:
    """Registrations by status, and letters by state. A held seat does not count as confirmed."""

    registered: int = 0
    unconfirmed: int = 0
    confirmed: int = 0
    waiting: int = 0
    withdrawn: int = 0
    owed: int = 0
    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """A discussion, its numbers, and when the first and the last of its data is erased.

    `numbers` is None for a partner.
    """

    discussion: Discussion
    numbers: Numbers | None
    is_open: bool
    erased_from: datetime | None
    erased_until: datetime | None


def overview_of_all(tx: Transaction, organizer: Organizer) -> Sequence[Overview]:
    """Return every discussion of an organizer, with its numbers unless they are a partner."""
    discussions = accounts.discussions_of(tx, organizer)
    if organizer.role is Role.PARTNER:
        return [
            Overview(item, None, item.takes_registrations(tx.now), None, None)
            for item in discussions
        ]
    count_by_status = _count_people(tx, true())
    letters = _count_letters(tx, true())
    return [
        _overview(item, count_by_status.get(item.id), letters.get(item.id, {}), tx.now)
        for item in discussions
    ]


@dataclass(frozen=True, slots=True)
class Span:
    """How many registrations came from the `first` day (UTC) to the `last`, both included."""

    first: date
    last: date
    count: int


def count_by_status(tx: Transaction, discussion: Discussion) -> Numbers:
    """Return the numbers of a discussion's registrations; those of its letters are left at 0."""
    counted = _count_people(tx, Registration.discussion_id == discussion.id).get(discussion.id)
    return Numbers(**counted[0]) if counted else Numbers()


def count_by_day(tx: Transaction, discussion: Discussion) -> list[Span]:
    """Return the number of registrations for every day (UTC) from the first to the last.

    Where that is more than `MAX_SPANS`, a span is as many weeks as keep within that.
    """
    day = func.date(Registration.registered_at)
    rows = tx.execute(
        select(day, func.count()).where(Registration.discussion_id == discussion.id).group_by(day)
    )
    counts = {date.fromisoformat(str(when)): count for when, count in rows}
    if not counts:
        return []
    first, last = min(counts), max(counts)
    weeks = -(-((last - first).days + 1) // (7 * MAX_SPANS))
    each = 1 if (last - first).days < MAX_SPANS else 7 * weeks
    spans = []
    while first <= last:
        days = [first + timedelta(days=number) for number in range(each)]
        spans.append(Span(days[0], days[-1], sum(counts.get(item, 0) for item in days)))
        first += timedelta(days=each)
    return spans


def overview_of(tx: Transaction, organizer: Organizer, slug: str) -> Overview:
    """Return a discussion with its numbers. Raises `NoSuchDiscussion`, also for a partner."""
    discussion = accounts.run_by(tx, organizer, slug)
    only = Registration.discussion_id == discussion.id
    count_by_status = _count_people(tx, only).get(discussion.id)
    letters = _count_letters(tx, only).get(discussion.id, {})
    return _overview(discussion, count_by_status, letters, tx.now)


def _overview(
    discussion: Discussion,
    count_by_status: People | None,
    letters: dict[str, int],
    now: datetime,
) -> Overview:
    counts, first, last = count_by_status or ({}, None, None)
    is_open = discussion.takes_registrations(now)
    return Overview(discussion, Numbers(**counts, **letters), is_open, first, last)


def _count_people(tx: Transaction, which: ColumnElement[bool]) -> dict[int, People]:
    counted = {status.value: _sum(Registration.status == status) for status in RegistrationStatus}
    named = {"registered": func.count(), **counted}
    rows = tx.execute(
        select(
            Registration.discussion_id,
            func.min(Registration.erase_at),
            func.max(Registration.erase_at),
            *named.values(),
        )
        .where(which)
        .group_by(Registration.discussion_id)
    )
    return {row[0]: (dict(zip(named, row[3:], strict=True)), row[1], row[2]) for row in rows}


def _count_letters(tx: Transaction, which: ColumnElement[bool]) -> dict[int, dict[str, int]]:
    states = {
        "owed": LetterState.OWED,
        "sent": LetterState.SENT,
        "failed": LetterState.FAILED,
    }
    rows = tx.execute(
        select(
            Registration.discussion_id,
            *(_sum(Letter.state == state) for state in states.values()),
        )
        .join(Letter, Letter.registration_id == Registration.id)
        .where(which)
        .group_by(Registration.discussion_id)
    )
    return {row[0]: dict(zip(states, row[1:], strict=True)) for row in rows}


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
