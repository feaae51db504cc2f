"""What may stand in a circular for something of each attendee: a fixed list, filled in by looking
up a name. No template engine ever reads what an organizer typed, and nothing that is put in is read
again, neither for placeholders nor for links.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..calendars.description import format_when
from ..links import Links
from ..models import Attendee, Discussion, Registration, Wording

NAMES = ("name", "title", "time", "page", "join_link")
# A subject is one line, which everybody sees who looks at a screen: no address stands there.
IN_SUBJECT = ("name", "title", "time")

_PLACE = re.compile(rf"\{{\{{ *({'|'.join(NAMES)}) *\}}\}}|\{{\{{.*?(?:\}}\}}|$)", re.MULTILINE)
# What follows a sentence or encloses an address is none of it.
_ADDRESS = re.compile(r"https?://[^\s<>\"{}]*[^\s<>\"{}.,;:!?'()\[\]»”’]")  # noqa: RUF001
_MOST_SHOWN = 40

Paragraph = list[list["Piece"]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line: plain text, or an address that leads somewhere."""

    text: str
    is_link: bool = False


def written(name: str) -> str:
    """Return a placeholder as it is typed."""
    return "{{ " + name + " }}"


def wrong(text: str, allowed: tuple[str, ...] = NAMES) -> str | None:
    """Return the first thing in `text` that looks like a placeholder and is none of `allowed`."""
    for found in _PLACE.finditer(text):
        if found[1] not in allowed:
            is_long = len(found[0]) > _MOST_SHOWN
            return found[0][:_MOST_SHOWN] + ("…" if is_long else "")
    return None


def asks_for_link(text: str) -> bool:
    """Whether `text` has the placeholder of the link to join."""
    return any(found[1] == "join_link" for found in _PLACE.finditer(text))


def has_link(wording: Wording, join_url: str) -> bool:
    """Whether a circular has the link to join, as its placeholder or written out: it is only for
    who has a seat."""
    typed = f"{wording.subject}\n{wording.text}"
    return asks_for_link(wording.text) or bool(join_url and join_url in typed)


def values(
    discussion: Discussion, registration: Registration, attendee: Attendee, links: Links
) -> dict[str, str]:
    """Return what stands for each placeholder, in the language of the moment."""
    return {
        "name": attendee.name,
        "title": discussion.content.title,
        "time": format_when(discussion.when, registration.zone),
        "page": links.discussion(discussion.slug),
        "join_link": discussion.content.join_url or "",
    }


def filled(text: str, found: Mapping[str, str]) -> str:
    """Return `text` with each placeholder's value in its place."""
    return _PLACE.sub(lambda place: found.get(place[1] or "", place[0]), text)


def paragraphs(text: str, found: Mapping[str, str]) -> list[Paragraph]:
    """Return `text`, filled in, as paragraphs of lines of pieces, for HTML."""
    return [
        [list(_pieces(line, found)) for line in paragraph.split("\n")]
        for paragraph in re.split(r"\n{2,}", text)
    ]


def _pieces(line: str, found: Mapping[str, str]) -> Iterator[Piece]:
    start = 0
    for place in _PLACE.finditer(line):
        yield from _linked(line[start : place.start()])
        value = found.get(place[1] or "", place[0])
        yield Piece(value, is_link=place[1] in {"page", "join_link"} and bool(value))
        start = place.end()
    yield from _linked(line[start:])


def _linked(text: str) -> Iterator[Piece]:
    start = 0
    for address in _ADDRESS.finditer(text):
        yield Piece(text[start : address.start()])
        yield Piece(address[0], is_link=True)
        start = address.end()
    yield Piece(text[start:])
