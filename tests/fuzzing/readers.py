"""Reads outputs of the service back, with parsers that share no code with the service.

A value missing from an output, or changed in it, is `NotReadBack`; an unintended tag, attribute,
property, header or cell is an `Injection`.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Collection
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import vobject
from ical.calendar_stream import IcsCalendarStream

from ..calendars import rfc5545
from ..calendars.rfc5545 import Component
from ..visitor import tree_of

HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Reply-To", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip
PLAIN = ["multipart/alternative", "text/plain", "text/html"]
INVITED = ["multipart/mixed", *PLAIN, "text/calendar", "application/ics"]
# The elements that Markdown may become on a page.
FORMATS = {
    *((tag, "") for tag in ("p", "br", "em", "strong", "ul", "ol", "li", "blockquote", "code")),
    *((tag, "") for tag in ("pre", "hr", "h3", "h4", "h5", "h6", "a")),
    *(("a", name) for name in ("href", "rel")),
    ("ol", "start"),
}
_SIGNS = set("=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b")
_BOUNDARIES = set(',;|"\t\n\v\f\r\x85\u2028\u2029')
_DROPPED = set("\t\r\n\0")
_INVISIBLE = {0xAD, 0x61C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F)}
_INVISIBLE |= {*range(0x2060, 0x2070)}


class Broken(AssertionError):
    """Damage by a hostile input; the base of the three kinds that are counted."""


class ServerFault(Broken):
    """The service failed: an answer of 500, or an exception that nobody phrased."""


class Injection(Broken):
    """Something stands in an output that the input has put there, and is not text."""


class NotReadBack(Broken):
    """An accepted value is missing from an output, or changed in it."""


def same(found: object, wanted: object, where: str) -> None:
    """Raise `NotReadBack` unless `found` is `wanted`."""
    if found != wanted:
        raise NotReadBack(f"{where}: {found!r} instead of {wanted!r}")


def stands_in(wanted: str, found: Collection[str], where: str) -> None:
    """Raise `NotReadBack` unless `wanted` is one of those found, or a part of the text found."""
    if wanted not in found:
        raise NotReadBack(f"{where}: no {wanted!r} in {found!r}")


def none_foreign(found: set, known: set, where: str) -> None:
    """Raise `Injection` if something was found that is not known."""
    if found - known:
        raise Injection(f"{where}: {sorted(map(str, found - known))}")


def squeezed(text: str) -> str:
    """Return a text in NFC without spaces, line ends and byte order marks."""
    return "".join(unicodedata.normalize("NFC", text.replace("\ufeff", "")).split())


def accepted_as(typed: str, kept: str, where: str) -> None:
    """Check that what is kept is what was typed, but for spaces (empty if nothing is seen)."""
    if kept or any(unicodedata.category(sign)[0] in "LNPS" for sign in typed):
        same(squeezed(kept), squeezed(typed), where)


def words_in(tree: Element) -> set[tuple[str, str]]:
    """Return each tag of a page, and each tag with each of its attributes."""
    elements = [item for item in tree.iter() if isinstance(item.tag, str)]
    tags = {(item.tag, "") for item in elements}
    return tags | {(item.tag, str(name)) for item in elements for name in item.attrib}


def page(text: str, known: set[tuple[str, str]]) -> Element:
    """Return a page as it is parsed: no tag or attribute but `known`, and no address that runs."""
    tree = tree_of(text)
    none_foreign(words_in(tree), known | FORMATS, "a page")
    for item in tree.iter("script"):
        if item.get("src") is None and item.get("type") != "application/ld+json":
            raise Injection(f"a script: {said(item)!r}")
    for item in tree.iter():
        for name in ("href", "src", "action"):
            _checked_address(item, name)
    return tree


def _checked_address(item: Element, name: str) -> None:
    address = item.get(name)
    if address is None:
        return
    scheme = re.match(r"[\s\0-\x20]*([A-Za-z][A-Za-z0-9+.-]*):", address)
    if scheme and scheme[1].lower() not in {"http", "https", "mailto", "webcal"}:
        raise Injection(f"{name} {address!r}")
    if item.tag != "a" and not address.startswith(("/", "#", "http://127.0.0.1")):
        raise Injection(f"{item.tag} {name} {address!r}")


def said(item: Element) -> str:
    """Return the text of an element, with all that is in it."""
    return "".join(item.itertext())


def every(tree: Element, tag: str) -> list[str]:
    """Return the text of each element of this tag."""
    return [said(item) for item in tree.iter(tag)]


def shown(tree: Element, name: str) -> str:
    """Return the value of the field of this name."""
    for item in tree.iter("input"):
        if item.get("name") == name:
            return item.get("value") or ""
    found = [item for item in tree.iter("textarea") if item.get("name") == name]
    return (found[0].text or "").removeprefix("\n") if found else ""


def letter(content: bytes) -> EmailMessage:
    """Return a letter as a mail program reads it: the headers meant and no other, each once."""
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    none_foreign(set(message.keys()), HEADERS, "a letter's headers")
    if len(set(message.keys())) != len(message.keys()):
        raise Injection(f"a header twice: {message.keys()}")
    parts = list(message.walk())
    found = [part.get_content_type() for part in parts]
    if found not in (PLAIN, INVITED):
        raise Injection(f"a letter of {found}")
    if any(part.defects for part in parts):
        raise NotReadBack(f"a letter is damaged: {[part.defects for part in parts]}")
    return message


def calendar(content: bytes) -> Component:
    """Return a calendar's one entry, read by three readers alike."""
    found = rfc5545.read(content)
    none_foreign({item.name for item in found.components}, {"VEVENT"}, "a calendar")
    event = found.event
    none_foreign({item.name for item in event.components}, set(), "an entry")
    loose = vobject.readOne(io.StringIO(content.decode())).vevent
    (strict,) = IcsCalendarStream.calendar_from_ics(content.decode()).events
    same(loose.summary.value, event["SUMMARY"].text, "vobject")
    same(strict.summary, event["SUMMARY"].text, "ical")
    for item in event.all("DESCRIPTION"):
        same(strict.description, item.text, "ical")
    return event


def cells(text: str, separator: str = ",") -> list[list[str]]:
    """Return a CSV's rows with the documented sign undone; no cell of it would run."""
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    for cell in (cell for row in rows for cell in row):
        if cell[:1] in _DROPPED or any(_runs(cell[at:]) for at in _starts(cell)):
            raise Injection(f"a cell that runs: {cell!r}")
    if len({len(row) for row in rows}) > 1:
        raise Injection(f"rows of different length: {rows}")
    return [[_unguarded(cell) for cell in row] for row in rows]


def _starts(cell: str) -> list[int]:
    """Return where a reader may begin a cell."""
    return [0, *(at + 1 for at, character in enumerate(cell) if character in _BOUNDARIES)]


def _runs(text: str, *, skipped: str = "") -> bool:
    """Whether a text begins with a sign of a formula, after spaces and invisible characters."""
    for character in text:
        is_boundary = character in _BOUNDARIES
        is_blank = character.isspace() or unicodedata.category(character) == "Cc"
        is_blank = is_blank or ord(character) in _INVISIBLE
        if is_boundary or not (is_blank or character in skipped):
            return character in _SIGNS
    return False


def _unguarded(cell: str) -> str:
    starts = [at for at in _starts(cell) if cell[at : at + 1] == "'"]
    guards = {at for at in starts if at == 0 or _runs(cell[at + 1 :], skipped="'")}
    return "".join(character for at, character in enumerate(cell) if at not in guards)


def is_same_site(address: str) -> bool:
    """Whether a redirect leads to this site."""
    parts = urlsplit(address)
    return (parts.scheme, parts.netloc) in {("", ""), ("http", "127.0.0.1:8000")} and (
        not address.startswith(("//", "/\\", "\\"))
    )
