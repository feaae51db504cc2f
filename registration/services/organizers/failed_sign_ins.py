"""Counts failed sign-ins by the hour: a number alone, neither whose they were nor from where.

The sign-in counts one in the same way for an unknown address as for a wrong password, so that the
time of the answer does not tell which it was.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, or_, select

from ...database import Transaction, table_of, upsert_into
from ...models import FailedSignIns

COUNTS_KEPT = timedelta(days=7)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_TABLE = table_of(FailedSignIns)


@dataclass(frozen=True, slots=True)
class Hour:
    """How many sign-ins failed in the hour that begins at `start`."""

    start: datetime
    count: int


def note(tx: Transaction) -> None:
    """Count one that has just failed. It is one statement, so that none of many at once is lost."""
    first = upsert_into(tx, _TABLE).values(hour=_hour_of(tx.now), count=1)
    one_more = {"count": _TABLE.c.count + 1}
    tx.execute(first.on_conflict_do_update(index_elements=[_TABLE.c.hour], set_=one_more))


def by_hour(tx: Transaction) -> list[Hour]:
    """Return every hour of the last `COUNTS_KEPT`, the oldest first, also those without any."""
    counts = {row.hour: row.count for row in tx.scalars(select(FailedSignIns))}
    last, hours = _hour_of(tx.now), COUNTS_KEPT // HOUR
    starts = [last - number * HOUR for number in reversed(range(hours))]
    return [Hour(start, counts.get(start, 0)) for start in starts]


def count_last_day(tx: Transaction) -> int:
    """Return how many failed in the last 24 hours: this hour, and the 23 before."""
    since = _hour_of(tx.now) - DAY
    recent = FailedSignIns.hour > since, FailedSignIns.hour <= tx.now
    return tx.scalar(select(func.sum(FailedSignIns.count)).where(*recent)) or 0


def delete_old(tx: Transaction) -> None:
    """Delete the counts of hours before `COUNTS_KEPT`, and of hours to come, which a wrong clock
    made."""
    last = _hour_of(tx.now)
    is_old = FailedSignIns.hour <= last - COUNTS_KEPT
    tx.execute(delete(FailedSignIns).where(or_(is_old, FailedSignIns.hour > last)))


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
