"""Discussion files: refused in sentences, or published and read back from page and calendar."""

import json
from typing import Any
from xml.etree.ElementTree import Element

from hypothesis import strategies as st

from registration.discussion_file import DiscussionFileRefused, read
from registration.models import Announcement

from .. import builders
from . import readers, texts
from .readers import Injection, accepted_as, same, stands_in
from .service import Service

SLUG = "fuzz"
_PEOPLE = ("name", "position", "organization")
_LINES = ("title", "subtitle", "summary")
PROPERTIES = {
    "UID", "DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE", "DTSTART", "DTEND", "SUMMARY",
    "DESCRIPTION", "CATEGORIES", "STATUS", "URL", "LINK",
}  # fmt: skip


def _line() -> st.SearchStrategy[str]:
    return texts.mostly(texts.visible(4), texts.hostile(4))


def _url() -> st.SearchStrategy[str]:
    right = st.sampled_from(["https://example.org/a?b=c&d=%22#e", "http://x.example:81/"])
    wrong = st.sampled_from(["javascript:alert(1)", "https://a\r\nb", 'http://a.org/"x', "//x.org"])
    return texts.mostly(right, st.one_of(wrong, texts.hostile(2)))


def _some(strategy: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables that have any of these keys, and the first always."""
    first = next(iter(strategy))
    others = {name: value for name, value in strategy.items() if name != first}
    return st.fixed_dictionaries({first: strategy[first]}, optional=others)


_ABOUT = {"name": _line(), "position": _line(), "organization": _line()}
_CONTRIBUTOR = _some(_ABOUT | {"url": _url(), "biography": texts.hostile()}).map(
    lambda it: {"role": "speaker"} | it
)
_PARTNER = _some({"name": _line(), "place": _line(), "url": _url()}).map(
    lambda it: {"role": "co-sponsor"} | it
)
_QUESTION = _some({"label": _line(), "why": _line()}).map(
    lambda it: {"key": "ask", "kind": "line"} | it
)


def files() -> st.SearchStrategy[dict[str, Any]]:
    """Return discussion files whose texts are hostile."""
    texts_of = {"title": _line(), "subtitle": _line(), "summary": _line(), "recording_url": _url(),
                "description": texts.hostile(8)}  # fmt: skip
    lists = {
        "contributors": st.lists(_CONTRIBUTOR, max_size=2),
        "partners": st.lists(_PARTNER, max_size=1),
        "questions": st.lists(_QUESTION, max_size=1),
    }
    fixed = {"slug": SLUG, "zone": "Asia/Almaty", "registration": "open"}
    return _some(texts_of | lists).map(lambda found: fixed | found)


def toml(table: dict[str, Any]) -> bytes:
    """Return a file of these values; every sign that is not plain is written as its number."""
    top = [f"{key} = {_quoted(value)}" for key, value in table.items() if isinstance(value, str)]
    top += ["starts = 2026-04-02T17:00:00", "ends = 2026-04-02T18:30:00"]
    for key, items in table.items():
        for item in items if isinstance(items, list) else []:
            top += [f"[[{key}]]", *(f"{name} = {_quoted(value)}" for name, value in item.items())]
    return "\n".join(top).encode()


def _quoted(text: str) -> str:
    signs = (sign if sign.isascii() and sign.isalnum() else f"\\U{ord(sign):08X}" for sign in text)
    return f'"{"".join(signs)}"'


def check_file(service: Service, table: dict[str, Any]) -> bool:
    """Publish a file if it is taken, and read it back; return whether it was."""
    try:
        stated = read(toml(table))
    except DiscussionFileRefused as refused:
        _said_plainly(refused.mistakes)
        return False
    _is_what_was_written(stated, table)
    try:
        builders.publish(toml(table))
        _on_page(service, stated)
        _in_calendars(service, stated)
        _on_form_and_in_letter(service, stated)
    finally:
        service.forget_people()
        service.forget(SLUG)
    return True


def check_bytes(_service: Service, content: bytes) -> bool:
    """Read any bytes as a file: an announcement, or sentences."""
    try:
        return isinstance(read(content), Announcement)
    except DiscussionFileRefused as refused:
        _said_plainly(refused.mistakes)
        return False


def broken_files() -> st.SearchStrategy[bytes]:
    """Return a right file with something else in the middle of it, or any bytes."""
    whole = builders.with_questions()
    ends = st.tuples(st.integers(0, len(whole)), st.integers(0, 40))
    piece = st.one_of(st.binary(max_size=20), texts.hostile(2).map(lambda text: text.encode()))
    cut = st.tuples(ends, piece).map(
        lambda drawn: whole[: drawn[0][0]] + drawn[1] + whole[sum(drawn[0]) :]
    )
    return texts.mostly(cut, st.binary(max_size=200))


def _said_plainly(mistakes: list[str]) -> None:
    if not mistakes or any("\n" in line or "\x1b" in line for line in mistakes):
        raise Injection(f"the file's mistakes: {mistakes}")


def _is_what_was_written(stated: Announcement, table: dict[str, Any]) -> None:
    for name in _LINES:
        accepted_as(table.get(name, ""), getattr(stated.content, name), name)
    people = table.get("contributors", [])
    for written, found in zip(people, stated.content.contributors, strict=True):
        for name in _PEOPLE:
            accepted_as(written.get(name, ""), getattr(found, name), name)


def _on_page(service: Service, stated: Announcement) -> None:
    tree = readers.page(service.get(f"/discussions/{SLUG}"), service.known)
    content = stated.content
    same(readers.every(tree, "h1"), [content.title], "the page's heading")
    names = [item.name for item in content.contributors]
    names += [item.name for item in content.partners]
    # Markdown in between may have headings of its own.
    found = [readers.said(item.find("h3")) for item in tree.iter("article")]
    same(found, names, "the people on the page")
    metas = {item.get("property"): item.get("content") for item in tree.iter("meta")}
    same(metas["og:title"], content.title, "og:title")
    _in_json(tree, stated)


def _in_json(tree: Element, stated: Announcement) -> None:
    (script,) = [it for it in tree.iter("script") if it.get("type") == "application/ld+json"]
    event = json.loads(readers.said(script))
    same(event["name"], stated.content.title, "JSON-LD")
    speakers = [person["name"] for person in event.get("performer", [])]
    same(speakers, [person.name for person in stated.content.speakers], "JSON-LD")
    jobs = [person.get("jobTitle", "") for person in event.get("performer", [])]
    same(jobs, [person.position for person in stated.content.speakers], "JSON-LD")


def _in_calendars(service: Service, stated: Announcement) -> None:
    answer = service.client.get(f"/discussions/{SLUG}.ics")
    event = readers.calendar(answer.data)
    readers.none_foreign(event.names, PROPERTIES, "the file")
    same(event["SUMMARY"].text, stated.content.title, "SUMMARY")
    for person in stated.content.contributors:
        stands_in(person.name, event["DESCRIPTION"].text, "DESCRIPTION")
    feed = readers.rfc5545.read(service.client.get("/discussions.ics").data)
    same(len(feed.events), 2, "the feed's entries")
    stands_in(stated.content.title, [item["SUMMARY"].text for item in feed.events], "the feed")


def _on_form_and_in_letter(service: Service, stated: Announcement) -> None:
    tree = readers.page(service.get(f"/discussions/{SLUG}/register"), service.known)
    for question in stated.content.questions:
        shown = [it.text or "" for it in tree.iter("label")]
        stands_in(question.label, [label.strip() for label in shown], "the form's questions")
    builders.register_and_confirm("aigerim@example.org", SLUG)
    for message in map(readers.letter, service.letters()):
        subject = " ".join(f"You are registered: {stated.content.title}".split())
        same(message["Subject"], subject, "Subject")
        readers.page(message.get_body(("html",)).get_content(), service.known_in_letters)
