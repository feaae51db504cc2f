"""Mailings as letters: nothing in typed text runs, and inserted values are not expanded again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.mail import placeholders
from registration.models import LetterKind, RegistrationStatus, Wording

from .. import builders
from ..visitor import tree_of
from .conftest import KINDS, TOKEN, bodies, received

MAILING = LetterKind.MAILING
JOIN = 'join_url = "https://meet.example.org/room"'


def wording(text: str, subject: str = "Hello") -> Wording:
    return Wording("mailing-id", subject, text)


def lines_of(html: str) -> str:
    """Return the first paragraphs as a reader sees them, each line in a line of its own."""
    body = tree_of(html).find("body/div")
    return "\n".join("".join(it.itertext()) for it in body.findall("p")[:-3])


@pytest.mark.parametrize(
    "typed",
    [
        "{0.__class__} {name} {% set x = 1 %}{% x %} {# no #} %(name)s ${name} $name",
        "<script>alert(1)</script> <b>bold</b> &lt; &amp; <img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>here</a> javascript:alert(1) data:text/html,x",
        "# not a heading *nor* _this_ [text](https://example.org)",
    ],
)
def test_a_mailing_arrives_as_it_was_typed(write, typed):
    text, html = bodies(write(MAILING, wording=wording(typed, typed)))
    assert typed in text
    assert lines_of(html) == typed
    for active in ("<script", "<b>", "<img", 'href="javascript', "onerror=a>"):
        assert active not in html
    assert received(write(MAILING, wording=wording("x", typed)))["Subject"] == typed


@pytest.mark.parametrize(
    "name",
    ["{{ join_link }}", "{{ 7*7 }}", "<script>x</script>", "https://evil.example/", r"\1 \g<0>"],
)
def test_a_name_is_put_in_and_never_read_again(write, name):
    discussion = builders.unsaved_discussion(builders.file(JOIN))
    text, html = bodies(write(MAILING, discussion, name=name, wording=wording("Dear {{ name }}:")))
    assert text.splitlines()[0] == f"Dear {name}:"
    assert lines_of(html) == f"Dear {name}:"
    assert "evil.example" not in {it.get("href", "")[8:20] for it in tree_of(html).iter("a")}
    assert "meet.example.org" not in text + html


def test_each_placeholder_has_its_value_and_addresses_are_links(write):
    typed = (
        "{{name}} {{ title }} {{  page  }} {{ join_link }}\nor https://a.example/x?y=1.\n\n\nEnd"
    )
    discussion = builders.unsaved_discussion(builders.file(JOIN))
    text, html = bodies(write(MAILING, discussion, wording=wording(typed)))
    page = "https://events.example.org/discussions/water"
    first = f"Айгерим Who owns the water? {page} https://meet.example.org/room"
    assert f"{first}\nor https://a.example/x?y=1.\n\nEnd" in text.replace("\r\n", "\n")
    assert '<br>or <a href="https://a.example/x?y=1"' in html
    shown = [it.get("href") for it in tree_of(html).iter("a")]
    assert shown[:3] == [page, "https://meet.example.org/room", "https://a.example/x?y=1"]
    timed, _html = bodies(write(MAILING, wording=wording("{{ time }}")))
    assert "Thursday, 2 April 2026, 17:00" in timed


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("{{7*7}}", "{{7*7}}"),
        ("Dear {{ name }}, {{ name.__class__ }}", "{{ name.__class__ }}"),
        ("{{ Name }}", "{{ Name }}"),
        ("{{{ name }}}", "{{{ name }}"),
        ("{{ name\n}}", "{{ name"),
        ("{{ name | upper }}", "{{ name | upper }}"),
        ("{{" + "x" * 5000, "{{" + "x" * 38 + "…"),
        ("{{ name }} { name } {0} }} {%", None),
    ],
)
def test_text_that_resembles_a_placeholder_is_found(typed, wrong):
    assert placeholders.find_unknown(typed) == wrong


PARTS = ["{{ name }}", "{{", "}}", "name", " ", "\n", "https://", "a", ".", "<b>", "\\1", "%s", "Ж"]


@given(st.lists(st.sampled_from(PARTS)).map("".join), st.text(max_size=20))
def test_html_says_what_the_text_says_whatever_was_typed(typed, name):
    values = {"name": name.replace("\n", " ")}
    paragraphs = [
        "\n".join("".join(piece.text for piece in line) for line in lines)
        for lines in placeholders.paragraphs(typed, values)
    ]
    text = placeholders.fill(typed, values)
    assert "\n\n".join(paragraphs) == re.sub(r"\n{3,}", "\n\n", text)
    if placeholders.find_unknown(typed) is None:
        assert text == typed.replace("{{ name }}", values["name"])


def test_the_link_to_join_goes_to_nobody_without_a_seat(write):
    discussion = builders.unsaved_discussion(builders.file(JOIN))
    typed = wording("{{ join_link }}")
    assert write(MAILING, discussion, wording=typed, status=RegistrationStatus.WAITING) is None
    assert write(MAILING, wording=wording("x"), status=RegistrationStatus.WAITING)
    for status in (RegistrationStatus.UNCONFIRMED, RegistrationStatus.WITHDRAWN):
        assert write(MAILING, wording=wording("x"), status=status) is None


def test_the_way_to_unsubscribe_stands_in_one_line_of_mailings_alone(write):
    letter = write(MAILING)
    lines = letter.as_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    (line,) = [line for line in lines if line.startswith(b"List-Unsubscribe: ")]
    start = b"List-Unsubscribe: <https://events.example.org/registrations/mailings/public-id-"
    assert line.startswith(start)
    assert line.endswith(b">")
    assert len(line) > 78
    assert TOKEN.encode() not in line
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    for kind in set(KINDS) - {MAILING}:
        assert "List-Unsubscribe" not in write(kind)
