"""Dates and times as people read them, in the language of the block (see `languages`)."""

from datetime import UTC, date, datetime, timedelta

from babel import dates

from .languages import gettext, language, locale


def format_date(value: date) -> str:
    """Return a date: 7 December 2023."""
    return dates.format_date(value, "long", locale=locale())


def format_day(value: date) -> str:
    """Return a date with its weekday: Thursday, 7 December 2023."""
    pattern = "EEEE, d MMMM y" if language() == "en" else "full"
    return dates.format_date(value, pattern, locale=locale())


def format_time(value: datetime) -> str:
    """Return a time of day on the 24-hour clock: 17:00."""
    return dates.format_time(value, "HH:mm", locale=locale())


def format_moment(value: datetime) -> str:
    """Return an instant in UTC, to the minute: 7 December 2023, 12:00 UTC."""
    value = value.astimezone(UTC)
    return gettext("%(date)s, %(time)s UTC") % {
        "date": format_date(value.date()),
        "time": format_time(value),
    }


def format_offset(value: datetime) -> str:
    """Return the offset of an aware time: UTC+5, UTC-3:30, UTC."""
    minutes = int((value.utcoffset() or timedelta()).total_seconds() // 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
