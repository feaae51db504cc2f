"""The time of a discussion: wall time and zone, and the announced instants."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum

# Use the pinned tzdata package, not the system's: two hosts could disagree on an instant.
zoneinfo.reset_tzpath(to=())

# The date line: a day begins first at UTC+14 and ends last at UTC-12.
_FIRST_OFFSET = timedelta(hours=14)
_LAST_OFFSET = timedelta(hours=-12)


class Tense(Enum):
    """Whether a discussion is coming, running or past."""

    COMING = "coming"
    ON = "on"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class When:
    """A span of naive wall time with an exclusive end; a whole day if no time is known.

    A whole day may have no zone: it then lasts as long as it is that day anywhere on Earth.
    `starts_at`, and `ends_at`, the first instant after it, are in UTC. They were computed when the
    time was announced, and stay even if the zone's rules change.
    """

    starts_local: datetime
    ends_local: datetime
    zone: str | None
    all_day: bool
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(
        cls, starts: datetime, ends: datetime, zone: str | None, *, all_day: bool = False
    ) -> "When":
        """Return a span of wall time with its instants, by the current time zone database.

        Raises `ZoneInfoNotFoundError` if the database does not contain the zone.
        """
        starts_at = _instant(starts, zone, _FIRST_OFFSET)
        return cls(starts, ends, zone, all_day, starts_at, _instant(ends, zone, _LAST_OFFSET))

    @classmethod
    def day(cls, day: date, zone: str | None = None) -> "When":
        """Return the whole of `day`."""
        starts = datetime.combine(day, time())
        return cls.of(starts, starts + timedelta(days=1), zone, all_day=True)

    @property
    def starts_there(self) -> datetime:
        """The start as an aware time in its zone; UTC where it has none."""
        return self._there(self.starts_at, self.starts_local)

    @property
    def ends_there(self) -> datetime:
        """The end as an aware time in its zone; UTC where it has none."""
        return self._there(self.ends_at, self.ends_local)

    def _there(self, instant: datetime, local: datetime) -> datetime:
        offset = local - instant.replace(tzinfo=None)
        return instant.astimezone(timezone(offset) if self.zone else UTC)

    def tense(self, now: datetime) -> Tense:
        """Return whether it is coming, running or past at `now`."""
        if now < self.starts_at:
            return Tense.COMING
        return Tense.ON if now < self.ends_at else Tense.PAST


def _instant(local: datetime, zone: str | None, offset: timedelta) -> datetime:
    if zone is None:
        return (local - offset).replace(tzinfo=UTC)
    return local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC)


def is_zone(name: str) -> bool:
    """Whether `name` is a zone of the IANA database, such as Asia/Almaty."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return "/" in name or name == "UTC"


def instants(local: datetime, zone: str) -> list[datetime]:
    """Return the instants, in UTC, that a clock in `zone` shows as `local`.

    There are none in the gap when summer time begins, two when it ends, and one otherwise.
    """
    there = zoneinfo.ZoneInfo(zone)
    candidates = {local.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in candidates if at.astimezone(there).replace(tzinfo=None) == local)
