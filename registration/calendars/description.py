"""A discussion as plain text, for calendar entries; its time as text, also for pages and mail."""

import zoneinfo
from datetime import date, datetime

from ..links import Links
from ..models import Content, Contributor, Discussion, When
from ..models.when import is_zone
from ..text import markdown
from ..text.languages import gettext as _
from ..text.languages import ngettext
from ..text.times import format_day, format_offset, format_time


def format_when(when: When, reader_zone: str | None = None) -> str:
    """Return the day and, unless it is a whole day, the time with its offset, in words.

    The time is given in the discussion's zone, in the reader's zone if that differs, and in UTC.
    """
    if when.all_day:
        return format_day(when.starts_local.date())
    starts, ends = when.starts_there, when.ends_there
    spans = [(starts, ends, when.zone)]
    if reader_zone and reader_zone != when.zone and is_zone(reader_zone):
        here = zoneinfo.ZoneInfo(reader_zone)
        spans.append((when.starts_at.astimezone(here), when.ends_at.astimezone(here), reader_zone))
    if starts.utcoffset() or ends.utcoffset():
        spans.append((when.starts_at, when.ends_at, None))
    formatted: list[str] = []
    day = None
    for first, last, zone in spans:
        formatted.append(_format_span(first, last, day) + (f" ({zone})" if zone else ""))
        day = last.date()
    return "; ".join(formatted)


def _format_span(starts: datetime, ends: datetime, named_day: date | None) -> str:
    """Return start and end with their offset.

    A day is left out if it equals `named_day`, the last one named: 21:00 UTC may be the evening of
    the day before.
    """
    first, last = _format_time(starts, named_day), _format_time(ends, starts.date())
    if starts.utcoffset() != ends.utcoffset():  # the zone's clocks change in between
        first += f" {format_offset(starts)}"
    dash = "\N{EN DASH}" if first[-1].isdigit() and last[0].isdigit() else " \N{EN DASH} "
    return f"{first}{dash}{last} {format_offset(ends)}"


def _format_time(moment: datetime, named_day: date | None) -> str:
    if moment.date() == named_day:
        return format_time(moment)
    return f"{format_day(moment.date())}, {format_time(moment)}"


def description(discussion: Discussion, links: Links) -> str:
    """Return the abstract, the contributors with biographies, the partners and the page."""
    content = discussion.content
    speakers, moderators = content.speakers, content.moderators
    blocks = [content.subtitle, format_when(discussion.when), markdown.plain(content.description)]
    if discussion.is_cancelled:
        blocks[2:2] = [_("This discussion is cancelled."), discussion.cancelled_why or ""]
    if content.recording_url:
        blocks.append(_("Recording: %(url)s") % {"url": content.recording_url})
    if content.afterword:
        blocks += [_("What came of it").upper(), markdown.plain(content.afterword)]
    blocks += _people(ngettext("Speaker", "Speakers", len(speakers)), speakers)
    blocks += _people(ngettext("Moderator", "Moderators", len(moderators)), moderators)
    blocks += _partners(content)
    if discussion.is_public:
        blocks.append(links.discussion(discussion.slug))
    return "\n\n".join(block for block in blocks if block)


def _people(heading: str, people: list[Contributor]) -> list[str]:
    return [heading.upper(), *map(_contributor, people)] if people else []


def _contributor(person: Contributor) -> str:
    first = ", ".join(part for part in (person.name, person.affiliation) if part)
    return "\n".join(part for part in (first, person.url, markdown.plain(person.biography)) if part)


def _partners(content: Content) -> list[str]:
    if not content.partners:
        return []
    lines = [
        f"{partner.name} ({', '.join(part for part in (partner.role, partner.place) if part)})"
        + (f"\n{partner.url}" if partner.url else "")
        for partner in content.partners
    ]
    return [ngettext("Partner", "Partners", len(content.partners)).upper(), *lines]
