"""The iCalendar values that icalendar writes otherwise than RFC 5545 and its readers need."""

import re
from datetime import UTC, date, datetime

from icalendar import Event, vText, vUri

from ..models import When

# Markdown can name them (&#13;), and one of them spoils a whole feed for strict readers.
_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Text(vText):
    r"""TEXT escaped as RFC 5545 3.3.11 says, without the control characters that it excludes;
    icalendar would let those through, and turn the characters `\N` into a line end."""

    def to_ical(self) -> bytes:
        clean = _CONTROLS.sub("", _BREAKS.sub("\n", self))
        escaped = clean.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,")
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
