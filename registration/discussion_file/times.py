"""The time of a discussion in its file: a whole day, or wall times in a zone."""

from datetime import date, datetime, timedelta

from ..models import When
from ..models.when import instants, is_zone
from ..refusals import N_, Sentence
from .table import Table


def read_when(table: Table) -> When | None:
    """Return the time in a file; None, with a mistake added to the table, if it is wrong."""
    zone = table.line("zone", "")
    if "zone" in table.values and not is_zone(zone):
        table.refuse("zone", N_("must be a time zone such as Asia/Almaty or UTC."))
        zone = ""
    if "date" in table.values:
        for key in ("starts", "ends"):
            if key in table.values:
                table.known_keys.append(key)
                table.refuse(key, N_("cannot stand beside date; give date, or starts and ends."))
        day = table.take("date", date, None, Sentence(N_("a date such as 2023-12-07")))
        if isinstance(day, datetime):
            table.refuse("date", N_("must be a date without a time, such as 2023-12-07."))
            return None
        return _day(table, day, zone) if day else None
    table.known_keys.append("date")
    return _span(table, zone)


def _day(table: Table, day: date, zone: str) -> When | None:
    if not 1970 <= day.year <= 2999:
        table.refuse("date", N_("must lie between 1970 and 2999."))
        return None
    return When.day(day, zone or None)


def _span(table: Table, zone: str) -> When | None:
    what = Sentence(
        N_("a time without an offset, such as 2024-03-05T15:00:00; or give date for a whole day")
    )
    starts = table.take("starts", datetime, None, what)
    ends = table.take("ends", datetime, None, what)
    if "zone" not in table.values:
        table.refuse("zone", N_("is missing; starts and ends need one, such as Asia/Almaty."))
    if not (starts and ends and zone):
        return None
    if not all([is_time(table, "starts", starts, zone), is_time(table, "ends", ends, zone)]):
        return None
    when = When.of(starts, ends, zone)
    if when.ends_at <= when.starts_at:
        table.refuse("ends", N_("must be later than starts."))
        return None
    if when.ends_at - when.starts_at > timedelta(days=31):
        table.refuse("ends", N_("must be within 31 days of starts."))
    return when


def is_time(table: Table, key: str, local: datetime, zone: str) -> bool:
    """Whether clocks in `zone` show `local` exactly once; if not, add the mistake."""
    if local.tzinfo:
        table.refuse(key, N_("must have no offset: it is read in %(zone)s."), zone=zone)
        return False
    if not 1970 <= local.year <= 2999:
        table.refuse(key, N_("must lie between 1970 and 2999."))
        return False
    found = len(instants(local, zone))
    if found == 0:
        table.refuse(
            key,
            N_("does not exist in %(zone)s: clocks are put forward over it that day."),
            zone=zone,
        )
    if found > 1:
        table.refuse(
            key, N_("happens twice in %(zone)s: clocks are put back over it that day."), zone=zone
        )
    return found == 1
