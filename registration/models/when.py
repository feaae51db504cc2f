"""When a discussion takes place: wall time and zone as announced, instants as computed."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum

# The pinned tzdata, not whatever the system has: otherwise two hosts may disagree on an instant.
zoneinfo.reset_tzpath(to=())

# The date line: a day begins first at UTC+14 and ends last at UTC-12.
_FIRST_OFFSET = timedelta(hours=14)
_LAST_OFFSET = timedelta(hours=-12)


class Tense(Enum):
    """How to speak of a discussion at a given moment."""

    COMING = "coming"
    ON = "on"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class When:
    """A span of wall time, naive, the end exclusive; a whole day where no time is known.

    A whole day may have no zone: it then lasts for as long as it is that day anywhere on Earth.
    """

    starts_local: datetime
    ends_local: datetime
    zone: str | None
    all_day: bool

    @classmethod
    def day(cls, day: date, zone: str | None = None) -> "When":
        """Return the whole of `day`."""
        starts = datetime.combine(day, time())
        return cls(starts, starts + timedelta(days=1), zone, all_day=True)

    @property
    def starts_at(self) -> datetime:
        """The first instant, in UTC."""
        return self._instant(self.starts_local, _FIRST_OFFSET)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it, in UTC."""
        return self._instant(self.ends_local, _LAST_OFFSET)

    def _instant(self, local: datetime, offset: timedelta) -> datetime:
        if self.zone is None:
            return (local - offset).replace(tzinfo=UTC)
        return local.replace(tzinfo=zoneinfo.ZoneInfo(self.zone)).astimezone(UTC)

    @property
    def starts_there(self) -> datetime:
        """The start as an aware time in its zone; UTC where it has none."""
        return self.starts_at.astimezone(zoneinfo.ZoneInfo(self.zone) if self.zone else UTC)

    @property
    def ends_there(self) -> datetime:
        """The end as an aware time in its zone; UTC where it has none."""
        return self.ends_at.astimezone(zoneinfo.ZoneInfo(self.zone) if self.zone else UTC)

    def tense(self, now: datetime) -> Tense:
        """Return whether it is coming, on or past at `now`."""
        if now < self.starts_at:
            return Tense.COMING
        return Tense.ON if now < self.ends_at else Tense.PAST


def is_zone(name: str) -> bool:
    """Whether `name` is a zone of the IANA database, such as Asia/Almaty."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return "/" in name or name == "UTC"


def instants(local: datetime, zone: str) -> list[datetime]:
    """Return the instants, in UTC, that a clock in `zone` shows as `local`: none in the gap when
    summer time begins, two when it ends, else one."""
    there = zoneinfo.ZoneInfo(zone)
    found = {local.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in found if at.astimezone(there).replace(tzinfo=None) == local)
