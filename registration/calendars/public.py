"""The public calendar: the feed of all discussions and the file of one.

Pure functions: the same discussions give the same bytes in every process (no clock, no random
value, no METHOD, ORGANIZER, ATTENDEE or calendar-level UID). They never contain the join link.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, Timezone, TimezoneStandard, vDuration, vUri

from .. import faults
from ..links import Links
from ..models import Discussion
from ..text.languages import gettext as _
from ..text.languages import use_language
from .description import description
from .properties import Text, add_time, uri

PRODID = "-//Registration//Registration 1//EN"
# How often subscribers are asked to fetch the calendar (RFC 7986 5.7).
REFRESH_INTERVAL = timedelta(hours=1)

log = logging.getLogger(__name__)


def feed(discussions: Iterable[Discussion], name: str, links: Links) -> bytes:
    """Return the calendar of `discussions`, in their order.

    A discussion that cannot be written is logged and left out, so that the others still appear.
    """
    calendar = _calendar()
    calendar["NAME"] = Text(name)
    calendar["X-WR-CALNAME"] = Text(name)
    calendar["SOURCE"] = uri(links.feed())
    calendar["URL"] = uri(links.agenda())
    calendar["COLOR"] = Text("darkslateblue")
    calendar.add("REFRESH-INTERVAL", REFRESH_INTERVAL, parameters={"VALUE": "DURATION"})
    calendar["X-PUBLISHED-TTL"] = vDuration(REFRESH_INTERVAL)
    for discussion in discussions:
        try:
            event = vevent(discussion, links)
            event.to_ical()
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one, the others stay
            place = faults.place_of(error)
            log.error("The feed leaves out %s: %s", discussion.slug, place)  # noqa: TRY400
        else:
            calendar.add_component(event)
    if not calendar.subcomponents:
        calendar.add_component(_utc())
    return bytes(calendar.to_ical())


def file(discussion: Discussion, links: Links) -> bytes:
    """Return the calendar of one discussion, without a name.

    Outlook would add a named one as a calendar of its own.
    """
    calendar = _calendar()
    calendar.add_component(vevent(discussion, links))
    return bytes(calendar.to_ical())


def vevent(discussion: Discussion, links: Links) -> Event:
    """Return the public calendar entry."""
    content = discussion.content
    event = Event()
    event["UID"] = Text(discussion.uid)
    event.add("DTSTAMP", discussion.changed_at)
    event.add("LAST-MODIFIED", discussion.changed_at)
    event.add("CREATED", discussion.published_at)
    event.add("SEQUENCE", discussion.sequence)
    add_time(event, discussion.when)
    with use_language(content.language):
        event["SUMMARY"] = Text(content.title)
        event["DESCRIPTION"] = Text(description(discussion, links))
        event.add("CATEGORIES", [_("Online discussion")])
    # An unpublished discussion still takes place: its attendees keep the entry.
    event["STATUS"] = Text("CANCELLED" if discussion.is_cancelled else "CONFIRMED")
    if discussion.is_public:
        event["URL"] = uri(links.discussion(discussion.slug))
    event["LINK"] = _links(discussion, links)
    return event


def _links(discussion: Discussion, links: Links) -> list[vUri]:
    content = discussion.content
    related = []
    if discussion.is_public:
        related.append((links.discussion(discussion.slug), "describedby", content.title))
    if content.recording_url:
        related.append((content.recording_url, "enclosure", content.title))
    related += [(item.url, "related", item.name) for item in content.partners if item.url]
    # A parameter cannot contain a double quote (RFC 5545 3.1); few readers support RFC 6868.
    return [
        uri(url, LINKREL=relation, LABEL=label.replace('"', "'"))
        for url, relation, label in related
    ]


def _calendar() -> Calendar:
    calendar = Calendar()
    calendar["PRODID"] = Text(PRODID)
    calendar["VERSION"] = Text("2.0")
    return calendar


def _utc() -> Timezone:
    """Return UTC as a VTIMEZONE: an empty calendar is not valid (RFC 5545 3.6)."""
    zone = Timezone()
    zone["TZID"] = Text("UTC")
    standard = TimezoneStandard()
    standard.add("DTSTART", datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    standard.add("TZOFFSETFROM", timedelta())
    standard.add("TZOFFSETTO", timedelta())
    zone.add_component(standard)
    return zone
