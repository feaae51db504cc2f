"""Counts which families of calendar programs fetch the feed, and which version they took last.

Requests are counted in memory (`Tally`), and the counts written a while later, outside of requests.
Only the family of a program and the day are stored, nothing that identifies a client.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select

from ...database import Transaction
from ...models import Discussion, FeedReading

# How long a day's counts are kept.
COUNTS_KEPT = timedelta(days=31)
# Parts of the User-Agent, of which the first match gives the family.
_MAX_USER_AGENT_CHARACTERS = 500
_FAMILIES = (
    ("google-calendar", "Google Calendar"),
    ("thunderbird", "Thunderbird"),
    ("nextcloud", "Nextcloud"),
    ("icsx5", "ICSx5"),
    ("davx5", "DAVx5"),
    ("dataaccessd", "Apple Calendar"),
    ("calendaragent", "Apple Calendar"),
    ("ical/", "Apple Calendar"),
    ("applewebkit", "a browser"),
    ("apple", "Apple Calendar"),
    ("outlook", "Outlook"),
    ("microsoft", "Outlook"),
    ("exchange", "Outlook"),
    ("yahoo", "Yahoo"),
    ("proton", "Proton Calendar"),
    ("fastmail", "Fastmail"),
    ("vdirsyncer", "vdirsyncer"),
    ("mozilla", "a browser"),
)
OTHER_FAMILY = "another program"


@dataclass(slots=True)
class Count:
    """The fetches of one family on one day since counts were last written.

    `took` is the `changed_at` of the feed that it fetched last.
    """

    last_at: datetime
    took: datetime | None
    fetches: int = 0
    not_modified: int = 0


# By day (UTC) and family.
Counts = dict[tuple[datetime, str], Count]


@dataclass(frozen=True, slots=True)
class Reader:
    """A family as an operator sees it; `is_current` is true if it has the current feed."""

    family: str
    last_at: datetime
    fetches_today: int
    share_not_modified: float
    took: datetime | None
    is_current: bool


class Tally:
    """Counts of fetches in the memory of one process, by day (UTC) and family."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts = {}

    def add(
        self, user_agent: str, *, took: datetime | None, not_modified: bool, now: datetime
    ) -> None:
        """Count one fetch of the feed whose `changed_at` is `took`."""
        key = (_day(now), family_of(user_agent))
        with self._lock:
            count = self._counts.setdefault(key, Count(now, took))
            count.last_at, count.took = now, took
            count.fetches += 1
            count.not_modified += not_modified

    def take(self) -> Counts:
        """Return the counts, and start again from none."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def put_back(self, counts: Counts) -> None:
        """Add counts that could not be written."""
        with self._lock:
            for key, count in counts.items():
                later = self._counts.setdefault(key, Count(count.last_at, count.took))
                later.fetches += count.fetches
                later.not_modified += count.not_modified

    def __bool__(self) -> bool:
        return bool(self._counts)


def write(tx: Transaction, counts: Counts) -> None:
    """Add counts to the stored ones, and delete those older than `COUNTS_KEPT`."""
    for (day, family), count in sorted(counts.items()):
        _add(tx, day, family, count)
    tx.execute(delete(FeedReading).where(FeedReading.day < (tx.now - COUNTS_KEPT).date()))


def family_of(user_agent: str) -> str:
    """Return the family of the program with this User-Agent."""
    words = user_agent[:_MAX_USER_AGENT_CHARACTERS].casefold()
    return next((name for word, name in _FAMILIES if word in words), OTHER_FAMILY)


def readers(tx: Transaction) -> Sequence[Reader]:
    """Return every family of the last `COUNTS_KEPT`, the latest first."""
    current = tx.scalar(select(func.max(Discussion.changed_at)))
    today = tx.now.astimezone(UTC).date()
    latest: dict[str, FeedReading] = {}
    for row in tx.scalars(select(FeedReading).order_by(FeedReading.day)):
        latest[row.family] = row
    families = [_reader(row, row.day == today, row.took == current) for row in latest.values()]
    return sorted(families, key=lambda reader: reader.last_at, reverse=True)


def _reader(row: FeedReading, is_today: bool, is_current: bool) -> Reader:
    return Reader(
        row.family,
        row.last_at,
        row.fetches if is_today else 0,
        row.not_modified / row.fetches,
        row.took,
        is_current,
    )


def _add(tx: Transaction, day: datetime, family: str, count: Count) -> None:
    key = (day.date(), family)
    row = tx.get(FeedReading, key, with_for_update=True)
    if row is None:
        row = FeedReading(day=day.date(), family=family, fetches=0, not_modified=0)
        row.last_at = count.last_at
        tx.add(row)
    row.fetches += count.fetches
    row.not_modified += count.not_modified
    if count.last_at >= row.last_at:
        row.last_at, row.took = count.last_at, count.took
    tx.flush()


def _day(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
