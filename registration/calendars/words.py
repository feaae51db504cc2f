"""A discussion in plain words: what a calendar entry says, in the language of the moment."""

from datetime import datetime, timedelta

from .. import markdown
from ..languages import gettext as _
from ..languages import offset, spoken_day, spoken_time
from ..links import Links
from ..models import Content, Contributor, Discussion, When


def time_in_words(when: When) -> str:
    """Return the day, and, if it is known, the time with its offset, zone and UTC."""
    if when.all_day:
        return spoken_day(when.starts_local.date())
    starts, ends = when.starts_there, when.ends_there
    text = f"{spoken_day(starts.date())}, {spoken_time(starts)}\N{EN DASH}{_end(starts, ends)}"
    text += f" {offset(starts)} ({when.zone})"
    if starts.utcoffset() == timedelta():
        return text
    return f"{text}; {spoken_time(when.starts_at)}\N{EN DASH}{spoken_time(when.ends_at)} UTC"


def _end(starts: datetime, ends: datetime) -> str:
    if starts.date() == ends.date():
        return spoken_time(ends)
    return f"{spoken_day(ends.date())}, {spoken_time(ends)}"


def description(discussion: Discussion, links: Links) -> str:
    """Return the abstract, the contributors with biographies, the partners and the page."""
    content = discussion.content
    blocks = [content.subtitle, time_in_words(discussion.when), markdown.plain(content.description)]
    if content.recording_url:
        blocks.append(_("Recording: %(url)s") % {"url": content.recording_url})
    blocks += [_heading(_("Speakers"), content.speakers), *map(_contributor, content.speakers)]
    blocks += [_heading(_("Moderator"), content.moderators), *map(_contributor, content.moderators)]
    blocks += _partners(content)
    blocks.append(links.discussion(discussion.slug))
    return "\n\n".join(block for block in blocks if block)


def _heading(words: str, people: list[Contributor]) -> str:
    return words.upper() if people else ""


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
    return [_("Partners").upper(), *lines]
