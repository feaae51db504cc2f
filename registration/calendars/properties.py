"""iCalendar values that the icalendar library does not write as RFC 5545 and its readers need."""

import re
from datetime import UTC, date, datetime

from icalendar import Event, vText, vUri

from ..models import When

# Markdown can produce them (&#13;), and strict readers reject a whole feed because of one.
_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Text(vText):
    r"""TEXT escaped according to RFC 5545 3.3.11, without the control characters that it excludes.

    The icalendar library would keep those, and turn the characters `\N` into a line end.
    """

    def to_ical(self) -> bytes:
        clean = _CONTROLS.sub("", _BREAKS.sub("\n", self))
        escaped = clean.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,")
        return escaped.replace("\n", r"\n").encode()


def uri(address: str, **parameters: str) -> vUri:
    """Return a URI value with the VALUE parameter that RFC 7986 and RFC 9253 ask for."""
    return vUri(address, params={"VALUE": "URI", **parameters})


def add_time(event: Event, when: When) -> None:
    """Add DTSTART and DTEND: dates for a whole day, UTC otherwise.

    UTC needs no VTIMEZONE, which readers interpret differently; the description has the local time.
    """
    if when.all_day:
        starts: date | datetime = when.starts_local.date()
        ends: date | datetime = when.ends_local.date()
        event["TRANSP"] = Text("TRANSPARENT")
    else:
        starts, ends = when.starts_at.astimezone(UTC), when.ends_at.astimezone(UTC)
    event.add("DTSTART", starts)
    event.add("DTEND", ends)
