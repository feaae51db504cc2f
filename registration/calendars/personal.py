"""The calendar entries of one attendee: invitation, cancellation (RFC 6047), personal calendar.

They may contain the join link, but never the personal link. If `is_discreet`
(`Content.is_discreet`), they contain nothing else but the time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.utils import parseaddr

from icalendar import Alarm, Calendar, Event, vCalAddress, vDuration

from ..links import Links
from ..models import Discussion, Registration
from ..text.languages import gettext as _
from ..text.languages import use_language
from .properties import Text, uri
from .public import PRODID, REFRESH_INTERVAL, vevent


def sequence(discussion: Discussion, registration: Registration, later: int = 0) -> int:
    """Return an attendee's SEQUENCE: the discussion's plus their own.

    RFC 5546 2.1.4 counts each CANCEL of one attendee too. `later` adds those not yet counted.
    """
    return discussion.sequence + registration.calendar_sequence + later


@dataclass(frozen=True, slots=True)
class Guest:
    """The attendee of an entry: the address, and the SEQUENCE of this attendee's entry.

    Unless the attendee is known to read the address, an entry that is sent there has no join link.
    """

    address: str
    sequence: int
    is_proved: bool = True

    @classmethod
    def of(
        cls, discussion: Discussion, registration: Registration, address: str, later: int = 0
    ) -> "Guest":
        """Return the attendee at `address`, for a calendar entry."""
        is_proved = registration.address_proved_at is not None
        return cls(address, sequence(discussion, registration, later), is_proved)


def request(
    discussion: Discussion, guest: Guest, at: datetime, links: Links, *, is_discreet: bool
) -> bytes:
    """Return a METHOD:REQUEST for one attendee (RFC 5546 3.2.2), written at `at`."""
    event = (_joinable if guest.is_proved else _personal)(
        discussion, links, is_discreet=is_discreet
    )
    _add_people(event, discussion, guest, at, is_discreet=is_discreet)
    return bytes(_calendar("REQUEST", event).to_ical())


def cancellation(
    discussion: Discussion, guest: Guest, at: datetime, links: Links, *, is_discreet: bool
) -> bytes:
    """Return a METHOD:CANCEL for one attendee of a discussion that takes place all the same.

    It has no STATUS: STATUS:CANCELLED would mean that the whole discussion is cancelled. It has no
    join link, because the attendee has withdrawn or never had a seat.
    """
    event = _personal(discussion, links, is_discreet=is_discreet)
    del event["STATUS"]
    _add_people(event, discussion, guest, at, is_discreet=is_discreet)
    return bytes(_calendar("CANCEL", event).to_ical())


def cancelled(
    discussion: Discussion, guest: Guest, at: datetime, links: Links, *, is_discreet: bool
) -> bytes:
    """Return a METHOD:CANCEL of a discussion that does not take place (RFC 5546 3.2.5)."""
    event = _personal(discussion, links, is_discreet=is_discreet)
    _add_people(event, discussion, guest, at, is_discreet=is_discreet)
    return bytes(_calendar("CANCEL", event).to_ical())


def calendar(discussion: Discussion, sequence: int, links: Links, *, is_discreet: bool) -> bytes:
    """Return the personal calendar: the public entry and the join link, without any name."""
    event = _joinable(discussion, links, is_discreet=is_discreet)
    event["SEQUENCE"] = sequence
    if not discussion.is_cancelled:
        for alarm in _alarms(discussion, str(event["SUMMARY"])):
            event.add_component(alarm)
    whole = _calendar(None, event)
    # ical.js does not unescape these in a calendar's name.
    words = re.split(r"[,;\\]", str(event["SUMMARY"]))
    name = " ".join(word.strip() for word in words).strip()
    whole["X-WR-CALNAME"] = whole["NAME"] = Text(name)
    whole.add("REFRESH-INTERVAL", REFRESH_INTERVAL, parameters={"VALUE": "DURATION"})
    whole["X-PUBLISHED-TTL"] = vDuration(REFRESH_INTERVAL)
    return bytes(whole.to_ical())


def _alarms(discussion: Discussion, words: str) -> Iterator[Alarm]:
    """Yield an alarm for each reminder; a whole day has only those of a day and more."""
    for span in discussion.content.reminder_spans:
        if discussion.all_day and span < timedelta(days=1):
            continue
        alarm = Alarm()
        alarm["ACTION"] = Text("DISPLAY")
        alarm["DESCRIPTION"] = Text(words)
        alarm.add("TRIGGER", -span)
        yield alarm


def can_invite(discussion: Discussion, address: str) -> bool:
    """Whether to send an invitation: calendars ignore one whose organizer is their own user."""
    return _organizer(discussion).addr_spec.casefold() != address.casefold()


def _personal(discussion: Discussion, links: Links, *, is_discreet: bool) -> Event:
    event = vevent(discussion, links)
    if is_discreet:
        with use_language(discussion.content.language):
            _make_discreet(event)
    return event


def _joinable(discussion: Discussion, links: Links, *, is_discreet: bool) -> Event:
    event = _personal(discussion, links, is_discreet=is_discreet)
    join_url = discussion.content.join_url
    # After the recording is published there is nothing to join.
    if not join_url or discussion.is_cancelled or discussion.content.recording_url:
        return event
    with use_language(discussion.content.language):
        event["LOCATION"] = Text(join_url)
        event["CONFERENCE"] = uri(join_url, FEATURE="VIDEO", LABEL=_("Join"))
        words = _("Join: %(url)s") % {"url": join_url}
    event["DESCRIPTION"] = Text(f"{words}\n\n{event.get('DESCRIPTION', '')}".strip())
    return event


def _make_discreet(event: Event) -> None:
    """Remove all but the time: other people can see an attendee's calendar."""
    event["SUMMARY"] = Text(_("Online meeting"))
    for name in ("DESCRIPTION", "URL", "LINK", "CATEGORIES"):
        event.pop(name, None)


def _add_people(
    event: Event, discussion: Discussion, guest: Guest, at: datetime, *, is_discreet: bool
) -> None:
    """Add ORGANIZER and ATTENDEE, and set DTSTAMP and SEQUENCE for this attendee."""
    del event["DTSTAMP"]
    event.add("DTSTAMP", at)
    event["SEQUENCE"] = guest.sequence
    organizer = _organizer(discussion)
    event["ORGANIZER"] = _person(organizer.addr_spec)
    if organizer.display_name and not is_discreet:
        event["ORGANIZER"].params["CN"] = organizer.display_name
    attendee = _person(guest.address)
    attendee.params.update(
        {"CUTYPE": "INDIVIDUAL", "ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}
    )
    event["ATTENDEE"] = attendee


def _person(address: str) -> vCalAddress:
    return vCalAddress(f"mailto:{address}")


def _organizer(discussion: Discussion) -> Address:
    name, address = parseaddr(discussion.organizer_address)
    return Address(display_name=name, addr_spec=address)


def _calendar(method: str | None, event: Event) -> Calendar:
    calendar = Calendar()
    calendar["PRODID"] = Text(PRODID)
    calendar["VERSION"] = Text("2.0")
    if method:
        calendar["METHOD"] = Text(method)
    calendar.add_component(event)
    return calendar
