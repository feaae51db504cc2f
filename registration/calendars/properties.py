"""The iCalendar values that icalendar writes otherwise than RFC 5545 and its readers need."""

from datetime import UTC, date, datetime

from icalendar import Event, vText, vUri

from ..models import When


class Text(vText):
    r"""TEXT escaped as RFC 5545 3.3.11 says; icalendar would turn the characters `\N` into a
    line end."""

    def to_ical(self) -> bytes:
        escaped = self.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,")
        return escaped.replace("\n", r"\n").encode()


def uri(address: str, **parameters: str) -> vUri:
    """Return a URI value with its VALUE stated, as RFC 7986 and 9253 ask for."""
    return vUri(address, params={"VALUE": "URI", **parameters})


def add_time(event: Event, when: When) -> None:
    """Add DTSTART and DTEND: dates for a whole day, UTC otherwise.

    UTC needs no VTIMEZONE that a reader could get wrong; the local time stands in the words.
    """
    if when.all_day:
        starts: date | datetime = when.starts_local.date()
        ends: date | datetime = when.ends_local.date()
        event["TRANSP"] = Text("TRANSPARENT")
    else:
        starts, ends = when.starts_at.astimezone(UTC), when.ends_at.astimezone(UTC)
    event.add("DTSTART", starts)
    event.add("DTEND", ends)
