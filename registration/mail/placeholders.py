"""The placeholders of mailings, such as {{ name }}: a fixed list of names.

No template engine ever reads the organizer's text, and the values that replace placeholders are
not searched for further placeholders or links.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..calendars.description import format_when
from ..links import Links
from ..models import Attendee, Discussion, Wording

NAMES = ("name", "title", "time", "page", "join_link")
# No addresses in a subject: bystanders can read it on a screen.
IN_SUBJECT = ("name", "title", "time")

_PLACEHOLDER = re.compile(
    rf"\{{\{{ *({'|'.join(NAMES)}) *\}}\}}|\{{\{{.*?(?:\}}\}}|$)", re.MULTILINE
)
# Punctuation at the end of an address does not belong to it.
_ADDRESS = re.compile(r"https?://[^\s<>\"{}]*[^\s<>\"{}.,;:!?'()\[\]»”’]")  # noqa: RUF001
_MAX_SHOWN_LENGTH = 40
# The placeholder of the name, with what belongs to it: "{{ name }}, we begin", "Hello {{ name }},".
_NAME_AND_SPACE = re.compile(r"^\{\{ *name *\}\}[,:]? *|[ \t]?\{\{ *name *\}\}", re.MULTILINE)

Paragraph = list[list["Piece"]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line: plain text, or an address to be shown as a link."""

    text: str
    is_link: bool = False


def as_typed(name: str) -> str:
    """Return the placeholder of this name as it is typed: {{ name }}."""
    return "{{ " + name + " }}"


def find_unknown(text: str, allowed: tuple[str, ...] = NAMES) -> str | None:
    """Return the first placeholder in `text` that is not in `allowed`, shortened; None if none."""
    for match in _PLACEHOLDER.finditer(text):
        if match[1] not in allowed:
            is_long = len(match[0]) > _MAX_SHOWN_LENGTH
            return match[0][:_MAX_SHOWN_LENGTH] + ("…" if is_long else "")
    return None


def has_link_placeholder(text: str) -> bool:
    """Whether `text` contains the placeholder of the join link."""
    return any(match[1] == "join_link" for match in _PLACEHOLDER.finditer(text))


def has_name(wording: Wording) -> bool:
    """Whether a mailing contains the placeholder of the name."""
    typed = f"{wording.subject}\n{wording.text}"
    return any(match[1] == "name" for match in _PLACEHOLDER.finditer(typed))


def has_link(wording: Wording, join_url: str) -> bool:
    """Whether a mailing contains the join link, as a placeholder or written out."""
    typed = f"{wording.subject}\n{wording.text}"
    return has_link_placeholder(wording.text) or bool(join_url and join_url in typed)


def values(discussion: Discussion, attendee: Attendee, links: Links) -> dict[str, str]:
    """Return the value of each placeholder, in the language in use."""
    return {
        "name": attendee.name,
        "title": discussion.content.title,
        "time": format_when(discussion.when, attendee.zone),
        "page": links.discussion(discussion.slug),
        "join_link": discussion.content.join_url or "",
    }


def fill(text: str, by_name: Mapping[str, str]) -> str:
    """Return `text` with each placeholder replaced by its value."""
    text = _without_empty_name(text, by_name)
    return _PLACEHOLDER.sub(lambda match: by_name.get(match[1] or "", match[0]), text)


def paragraphs(text: str, by_name: Mapping[str, str]) -> list[Paragraph]:
    """Return `text` with its placeholders filled, as paragraphs of lines of pieces, for HTML."""
    text = _without_empty_name(text, by_name)
    return [
        [list(_pieces(line, by_name)) for line in paragraph.split("\n")]
        for paragraph in re.split(r"\n{2,}", text)
    ]


def _without_empty_name(text: str, by_name: Mapping[str, str]) -> str:
    """Return `text` without the name's placeholder, if the attendee gave no name: "Hello,"."""
    return text if by_name.get("name", "?") else _NAME_AND_SPACE.sub("", text)


def _pieces(line: str, by_name: Mapping[str, str]) -> Iterator[Piece]:
    start = 0
    for match in _PLACEHOLDER.finditer(line):
        yield from _split_at_links(line[start : match.start()])
        value = by_name.get(match[1] or "", match[0])
        yield Piece(value, is_link=match[1] in {"page", "join_link"} and bool(value))
        start = match.end()
    yield from _split_at_links(line[start:])


def _split_at_links(text: str) -> Iterator[Piece]:
    start = 0
    for address in _ADDRESS.finditer(text):
        yield Piece(text[start : address.start()])
        yield Piece(address[0], is_link=True)
        start = address.end()
    yield Piece(text[start:])
