"""The content and structure of each letter, read back from its bytes."""

import html as stdlib_html
import re
from dataclasses import replace

import html5lib
import pytest

from registration.models import Announcement, LetterKind, RegistrationStatus

from .. import builders
from ..visitor import text_of
from .conftest import KINDS, TOKEN, bodies, received

CONFIRMED = RegistrationStatus.CONFIRMED
UNCONFIRMED = RegistrationStatus.UNCONFIRMED
WAITING = RegistrationStatus.WAITING
WITHDRAWN = RegistrationStatus.WITHDRAWN
WHEN = (
    "Thursday, 2 April 2026, 17:00\N{EN DASH}18:30 UTC+5 (Asia/Almaty); 12:00\N{EN DASH}13:30 UTC"
)
PERSONAL = f"https://events.example.org/registrations/{TOKEN}"


def first():
    return builders.unsaved_discussion(builders.FIRST.read_bytes())


def discreet():
    return builders.unsaved_discussion(builders.file("discreet = true"))


def changed(discussion, **values):
    """Return the discussion with other content."""
    stated: Announcement = discussion.announcement
    discussion.announcement = replace(stated, content=replace(stated.content, **values))
    return discussion


def in_one_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("discussion", [builders.unsaved_discussion, first, discreet])
def test_every_letter_has_subject_text_and_html_and_asks_nothing_of_the_network(
    write, kind, discussion
):
    message = write(kind, discussion())
    text, html = bodies(message)
    assert message["Subject"]
    assert "https://events.example.org/" in text
    parser = html5lib.HTMLParser(namespaceHTMLElements=False, strict=True)
    tree = parser.parse(html)
    assert tree.find("head/title").text.strip()
    fetched = {"img", "link", "script", "iframe", "object", "embed", "video", "audio", "form"}
    assert fetched & {element.tag for element in tree.iter()} == set()
    named = {name for element in tree.iter() for name in element.attrib}
    assert named <= {"lang", "charset", "name", "content", "class", "href", "target", "rel"}
    assert not re.search(r"url\s*\(|@import", html)


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_have_the_same_links(write, kind):
    text, html = bodies(write(kind, first()))
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    hrefs = {link.get("href") for link in tree.iter("a")}
    assert {url.rstrip(".,)") for url in re.findall(r"https?://\S+", text)} == hrefs


def test_the_address_confirmation_says_what_when_and_who_speaks(write):
    for body in bodies(write(LetterKind.ADDRESS_CONFIRMATION)):
        shown = in_one_line(body)
        assert "Who owns the water?" in shown
        assert WHEN in shown
        assert "Saule Suleimenova, Hydrologist, Institute of Geography" in shown
        assert PERSONAL in shown
        assert "we delete this form on 3 May 2026, 12:00 UTC" in shown


def test_the_address_confirmation_repeats_nothing_that_was_typed(write):
    message = write(
        LetterKind.ADDRESS_CONFIRMATION,
        name="CANARY-name",
        affiliation="CANARY-affiliation",
        answers={"question": "CANARY-answer", "days": ["CANARY-choice"]},
        shared_with=[{"partner": "CANARY-partner", "what": ["name"], "why": "CANARY-why"}],
        address="canary-address@example.org",
    )
    text, html = bodies(message)
    assert "canary" not in (text + html).casefold()
    head = message.as_string().partition("\r\n\r\n")[0]
    assert head.casefold().count("canary") == 1  # the address, in To


def test_the_confirmation_holds_every_fact_of_the_first_discussion(write):
    discussion = first()
    text, html = bodies(write(LetterKind.CONFIRMATION, discussion))
    for shown in (in_one_line(text), text_of(html)):
        assert "Hello Айгерим," in shown
        assert discussion.content.title in shown
        assert discussion.content.subtitle in shown
        assert "Thursday, 7 December 2023" in shown
        assert "This discussion has taken place." in shown
        for person in discussion.content.contributors:
            assert person.name in shown
            assert person.affiliation in shown
            assert person.url in shown
        for partner in discussion.content.partners:
            assert partner.name in shown
            assert partner.place in shown
        assert "erased on 3 May 2026" in shown
        assert PERSONAL in shown


def test_the_confirmation_holds_abstract_and_biographies_whole(write):
    discussion = first()
    text, html = bodies(write(LetterKind.CONFIRMATION, discussion))
    written = [discussion.content.description]
    written += [person.biography for person in discussion.content.contributors]
    words = [re.sub(r"\[([^]]+)\]\([^)]*\)|[*_]", r"\1", item) for item in written]
    for shown in (in_one_line(text), text_of(html)):
        for item in words:
            for paragraph in item.split("\n\n"):
                plain = in_one_line(re.sub(r"^[-\d.]+ ", "", paragraph, flags=re.MULTILINE))
                assert plain[:60] in shown
                assert plain[-40:] in shown


def test_the_confirmation_tells_zone_offset_and_utc(write):
    for body in bodies(write(LetterKind.CONFIRMATION)):
        assert WHEN in in_one_line(body)


def test_the_confirmation_invents_no_time(write):
    text, html = bodies(write(LetterKind.CONFIRMATION, first()))
    assert not re.search(r"\d\d:\d\d|UTC", text)
    assert not re.search(r"\d\d:\d\d|UTC", text_of(html))


def test_an_all_day_discussion_to_come_says_that_the_time_is_not_announced(write):
    source = builders.file("date = 2026-04-02", without="starts")
    source = b"\n".join(
        line for line in source.splitlines() if not line.startswith((b"ends", b"zone"))
    )
    for body in bodies(write(LetterKind.CONFIRMATION, builders.unsaved_discussion(source))):
        assert "The time of day is not announced yet." in in_one_line(body)


JOINING = {
    LetterKind.CONFIRMATION,
    LetterKind.CHANGE,
    LetterKind.SEAT,
    LetterKind.REMINDER,
    LetterKind.FOLLOW_UP,
}


def test_the_join_link_goes_to_the_confirmed_only(write):
    source = builders.file('join_url = "https://meet.example.org/room"')
    for kind in KINDS:
        message = write(kind, builders.unsaved_discussion(source))
        whole = "".join(
            part.get_payload(decode=True).decode()
            for part in received(message).walk()
            if not part.is_multipart()
        ).replace("\r\n ", "")
        is_told = "https://meet.example.org/room" in whole
        assert is_told == (kind in JOINING)


def test_a_contributor_without_an_affiliation_keeps_the_link(write):
    source = builders.file().replace(b"position", b'url = "https://saule.example.org"\n#')
    source = source.replace(b"organization", b"#")
    text, html = bodies(write(LetterKind.CONFIRMATION, builders.unsaved_discussion(source)))
    assert "https://saule.example.org" in text
    assert 'href="https://saule.example.org"' in html


def test_the_waiting_letter_tells_the_place(write):
    for body in bodies(write(LetterKind.WAITING)):
        assert "on the waiting list, as number 3:" in body


def test_the_address_change_goes_to_the_new_address_and_has_no_personal_link(write):
    message = write(LetterKind.ADDRESS_CHANGE)
    assert message["To"] == "new@example.org"
    for body in bodies(message):
        assert TOKEN not in body
        assert "https://events.example.org/registrations/address/" in body
        assert "aigerim" not in body


@pytest.mark.parametrize("kind", KINDS)
def test_a_discreet_letter_tells_nothing(write, kind):
    message = write(kind, discreet())
    parts = [part for part in received(message).walk() if not part.is_multipart()]
    whole = message.as_string().partition("\r\n\r\n")[0]
    whole += "".join(part.get_payload(decode=True).decode() for part in parts)
    whole = whole.replace("\r\n ", "")
    for word in ("water", "Saule", "Geography", "Aral", "Wednesday talks", "Our group", "Айгерим"):
        assert word.casefold() not in whole.casefold()
    assert message["From"] == "events@example.org"
    assert message["Subject"] == "Your registration"


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (LetterKind.ADDRESS_CONFIRMATION, {CONFIRMED, WAITING, WITHDRAWN}),
        (LetterKind.CONFIRMATION, {UNCONFIRMED, WAITING, WITHDRAWN}),
        (LetterKind.WAITING, {UNCONFIRMED, CONFIRMED, WITHDRAWN}),
        (LetterKind.ALREADY_REGISTERED, {UNCONFIRMED, WITHDRAWN}),
        (LetterKind.LINK, set()),
        (LetterKind.ADDRESS_CHANGE, {WITHDRAWN}),
        (LetterKind.WITHDRAWAL, {CONFIRMED, WAITING}),
        (LetterKind.CHANGE, {UNCONFIRMED, WITHDRAWN}),
        (LetterKind.SEAT, {UNCONFIRMED, WAITING, WITHDRAWN}),
        (LetterKind.REMINDER, {UNCONFIRMED, WAITING, WITHDRAWN}),
        (LetterKind.FOLLOW_UP, {UNCONFIRMED, WITHDRAWN}),
    ],
)
def test_a_letter_is_not_written_when_it_is_no_longer_true(write, kind, statuses):
    assert {status for status in RegistrationStatus if not write(kind, status=status)} == statuses


def test_no_address_change_is_written_once_the_change_is_taken_back(write):
    assert write(LetterKind.ADDRESS_CHANGE, new_address="") is None


def test_a_letter_is_in_the_attendees_language(write):
    text, html = bodies(write(LetterKind.CONFIRMATION, language="ru"))
    assert '<html lang="ru">' in html
    assert "четверг, 2 апреля 2026" in text
    assert "четверг, 2 апреля 2026" in html


@pytest.mark.parametrize(
    "name", ["<b>Eve</b>", "<script>alert(1)</script>", "{{ 7*7 }}", "%(title)s", '"><img src=x>']
)
def test_a_name_is_escaped_in_html_and_plain_in_text(write, name):
    text, html = bodies(write(LetterKind.CONFIRMATION, name=name))
    assert f"Hello {name}," in text
    assert f"Hello {name}," in text_of(html)
    assert name in html or stdlib_html.escape(name) in html.replace("&#34;", "&quot;")
    assert "<script" not in html
    assert "<img" not in html


def test_markdown_of_the_file_brings_no_markup_of_its_own(write):
    text = "![x](https://evil.example/x.png) <script>1</script> [a](javascript:1)"
    discussion = changed(builders.unsaved_discussion(), description=text)
    _text, html = bodies(write(LetterKind.CONFIRMATION, discussion))
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    assert not [e for e in tree.iter() if e.tag in {"img", "script"}]
    assert not [e for e in tree.iter("a") if e.get("href").startswith("javascript")]


def test_a_waiting_attendee_who_registers_again_is_told_so(write):
    message = write(LetterKind.ALREADY_REGISTERED, status=WAITING)
    assert message["Subject"] == "You are waiting already: Who owns the water?"
    for body in bodies(message):
        assert "for which it waits already, as number 3." in " ".join(body.split())
