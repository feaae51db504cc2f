"""Bad input to the form: each is answered with one clear sentence, and nothing is lost."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import html5lib
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registration import create_app, database
from registration.database import reading, writing
from registration.models import BucketLevel, Letter, Registration
from registration.text import normalize

from .. import builders
from ..conftest import Clock
from ..visitor import Visitor, form_of, text_of

FORM = "/discussions/water/register"
GOOD = {"name": "Айгерим", "email": "aigerim@example.org"} | builders.ANSWERS
NEEDED = "This question needs an answer."
NOT_SHOWN = "This contains a character that cannot be shown (U+{:04X}). Remove it."
NOT_OFFERED = "Choose one of the answers that are offered."
ONE_AT = "An e-mail address has one @ sign, as in name@example.org."
NO_SPACES = "An e-mail address has no spaces. Remove them."
NOT_A_DOMAIN = "The part after the @ is not a mail domain, such as example.org. Check it."
NOT_ACCEPTED = "The part before the @ is not one that mail servers accept. Check it."
TOO_LONG = "This is too long for an e-mail address. Check it."
ONLY_ADDRESS = "Write only the address, without a name, quotes or angle brackets."
NOT_DELIVERED = (
    "Many mail servers cannot deliver to an address with such letters before the @. "
    "Use one with a-z, digits and . _ + - there."
)
PERIODS = "An e-mail address has no period first, last, or twice in a row."
FORM_ENCODED = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, template) -> Iterator[Visitor]:
    """A visitor of one service shared by this file: refused input leaves nothing behind."""
    folder = tmp_path_factory.mktemp("bad") / "instance"
    shutil.copytree(template, folder)
    clock = Clock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    app = create_app({"INSTANCE": str(folder)}, clock=clock)
    with app.app_context():
        builders.publish(builders.with_questions())
        yield Visitor(app, clock)
        database.engine().dispose()


@pytest.fixture
def somebody(shared) -> Iterator[Visitor]:
    """The shared visitor, who leaves nothing behind."""
    yield shared
    with writing() as tx:
        for model in (Letter, Registration, BucketLevel):
            tx.query(model).delete()


@pytest.fixture(scope="module")
def hidden(shared) -> dict[str, str]:
    """What a browser would send of the form that nobody types."""
    values = form_of(shared.get(FORM).text)[1]
    shared.clock.advance(seconds=10)
    return {name: values[name] for name in ("csrf_token", "opened", "asked")}


def faults_of(page: str) -> dict[str, str]:
    """Return each sentence of a fault by the id of its field."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    errors = [item for item in tree.iter("p") if item.get("class") == "error"]
    return {item.get("id").removesuffix("-error"): "".join(item.itertext()) for item in errors}


def too_long(length: int, most: int) -> str:
    return f"This has {length} characters; at most {most} fit."


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "Write a name; a pseudonym is fine."),
        ("name", " \t\u00a0\u3000 ", "Write a name; a pseudonym is fine."),
        ("name", "Line\nbreak", NOT_SHOWN.format(0x0A)),
        ("name", "Line\r\nbreak", NOT_SHOWN.format(0x0D)),
        ("name", "a\0b", NOT_SHOWN.format(0)),
        ("name", "bell\x07", NOT_SHOWN.format(7)),
        ("name", "a\x85b", NOT_SHOWN.format(0x85)),
        ("name", "a\u2028b", NOT_SHOWN.format(0x2028)),
        ("name", "gpj\u202eexe", NOT_SHOWN.format(0x202E)),
        ("name", "a\u2066b", NOT_SHOWN.format(0x2066)),
        ("name", "\ufffe", NOT_SHOWN.format(0xFFFE)),
        ("name", "a" * 201, too_long(201, 200)),
        ("name", "я" * 10_000, too_long(10_000, 200)),
        ("affiliation", "x" * 201, too_long(201, 200)),
        ("affiliation", "a\u202eb", NOT_SHOWN.format(0x202E)),
        ("question_city", "", NEEDED),
        ("question_city", "x" * 301, too_long(301, 300)),
        ("question_ask", "x" * 2001, too_long(2001, 2000)),
        ("question_ask", "a\0b", NOT_SHOWN.format(0)),
        ("question_seat", "", NEEDED),
        ("question_seat", "Roof", NOT_OFFERED),
        ("question_seat", "\0", NOT_OFFERED),
        ("question_topics", ["Rivers", "Fire"], NOT_OFFERED),
        ("question_topics", ["\ud7ff" * 5000], NOT_OFFERED),
        ("question_rules", "false", NEEDED),
        ("email", "", "Write the e-mail address that the letters go to."),
        ("email", "aigerim", ONE_AT),
        ("email", "a@b@example.org", ONE_AT),
        ("email", "a@example.org,b@example.org", ONE_AT),
        ("email", "aigerim @example.org", NO_SPACES),
        ("email", "a@example.org\nBcc: x@example.org", ONE_AT),
        ("email", "a@example.org\r\nBcc:x", NO_SPACES),
        ("email", "Aigerim <a@example.org>", ONLY_ADDRESS),
        ("email", '"a b"@example.org', ONLY_ADDRESS),
        ("email", ".a@example.org", PERIODS),
        ("email", "a..b@example.org", PERIODS),
        ("email", "a@example..org", PERIODS),
        ("email", "@example.org", NOT_ACCEPTED),
        ("email", "a\x07@example.org", NOT_ACCEPTED),
        ("email", "a(b)@example.org", NOT_ACCEPTED),
        ("email", "a@", NOT_A_DOMAIN),
        ("email", "a@localhost", NOT_A_DOMAIN),
        ("email", "a@[127.0.0.1]", NOT_A_DOMAIN),
        ("email", "a@-example.org", NOT_A_DOMAIN),
        ("email", "a@exa\0mple.org", NOT_A_DOMAIN),
        ("email", "a@exa\u202emple.org", NOT_A_DOMAIN),
        ("email", "a@xn--a.org", NOT_A_DOMAIN),
        ("email", "x" * 65 + "@example.org", TOO_LONG),
        ("email", "a@" + "x" * 300 + ".org", TOO_LONG),
        ("email", "я" * 10_000, TOO_LONG),
        (
            "email",
            "айгерим@example.org",
            NOT_DELIVERED,
        ),
    ],
)
def test_a_bad_value_gets_one_sentence_and_stays_in_its_field(
    somebody, hidden, field, typed, sentence
):
    page = somebody.client.post(FORM, data=hidden | GOOD | {field: typed})
    assert page.status_code == 422
    assert faults_of(page.text) == {field: sentence}
    if field in {"name", "email", "affiliation"}:
        assert form_of(page.text)[1][field].split() == typed.replace("\0", "\ufffd").split()
    assert builders.count_registrations() == 0


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|' /C calc'!A0",
        "+7 701 000",
        "@SUM(A1)",
        "-1",
        "'",
        "O'Brien",
        "ﷺ",
        "👩🏽‍🚀",
        "a\u200eb",
        "<b>",
    ],
)
def test_an_unusual_name_is_taken_as_it_is(somebody, hidden, name):
    answer = somebody.client.post(FORM, data=hidden | GOOD | {"name": name})
    assert answer.status_code == 303
    assert builders.attendee().name == name


def test_a_pasted_tab_and_no_break_space_become_spaces(somebody, hidden):
    typed = {"name": "\tAigerim\u00a0\u00a0K. ", "question_ask": " a\tb\x0bc\u2028d \r\n"}
    assert somebody.client.post(FORM, data=hidden | GOOD | typed).status_code == 303
    held = builders.attendee()
    assert (held.name, held.answers["ask"]) == ("Aigerim K.", "a b\nc\nd")


def test_a_field_sent_twice_counts_once(somebody, hidden):
    twice = [("name", "First"), ("name", "Second"), ("question_seat", "Front")]
    twice += [("question_topics", "Law")] * 2000
    body = urlencode([*twice, *(hidden | GOOD).items()])
    answer = somebody.client.post(FORM, data=body, content_type=FORM_ENCODED)
    assert answer.status_code == 303
    held = builders.attendee()
    assert (held.name, held.answers["seat"], held.answers["topics"]) == ("First", "Front", ["Law"])


def test_fields_that_nobody_asked_for_are_not_held(somebody, hidden):
    extra = {f"field{number}": "x" for number in range(4_000)} | {
        "question_other": "x", "public_id": "x", "token": "x", "sharing_9": "y", "content": "x",
    }  # fmt: skip
    assert somebody.client.post(FORM, data=hidden | GOOD | extra).status_code == 303
    assert set(builders.attendee().answers) == {"city", "seat", "rules"}


def test_a_million_characters_are_too_much(somebody, hidden):
    page = somebody.client.post(FORM, data=hidden | GOOD | {"question_ask": "x" * 1_000_000})
    assert page.status_code == 413
    assert "Your form is too long" in text_of(page.text)


def test_the_longest_answers_in_a_wide_script_fit(somebody, hidden):
    typed = {"question_ask": "𠜎" * 2000, "question_city": "𠜎" * 300, "name": "𠜎" * 200}
    assert somebody.client.post(FORM, data=hidden | GOOD | typed).status_code == 303
    assert builders.attendee().answers["ask"] == "𠜎" * 2000


@pytest.mark.parametrize("name", [b"\xff", b"%FF", b"%C3%28", b"a%ED%A0%80b", b"%E2%82", b"\xc3("])
def test_bytes_that_are_not_utf_8_are_refused(somebody, hidden, name):
    body = urlencode(hidden | GOOD).encode() + b"&affiliation=" + name
    page = somebody.client.post(FORM, data=body, content_type=FORM_ENCODED)
    assert page.status_code == 400
    assert "What your browser sent is damaged" in text_of(page.text)
    assert builders.count_registrations() == 0


def test_a_percent_sign_that_escapes_nothing_is_kept(somebody, hidden):
    body = urlencode(hidden | GOOD | {"name": ""}).replace("name=", "name=100%", 1)
    answer = somebody.client.post(FORM, data=body, content_type=FORM_ENCODED)
    assert answer.status_code == 303
    assert builders.attendee().name == "100%"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"name": "A"}', "application/json"),
        (b'{"name": ', "application/json"),
        (b"[[[[", "application/json; charset=utf-16"),
        (b"<name>A</name>", "application/xml"),
        (b"name=A", "text/plain"),
        (b"\x00\xff", "application/octet-stream"),
        (b"name=A", "\x7f/;;="),
    ],
)
def test_a_body_that_is_not_a_form_is_refused(somebody, body, kind):
    page = somebody.client.post(FORM, data=body, content_type=kind)
    assert page.status_code == 415
    assert "A form here is sent as a form, and in no other format." in text_of(page.text)


def test_a_form_in_parts_is_taken_and_files_are_not(somebody, hidden):
    answer = somebody.client.post(
        FORM, data=hidden | GOOD, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 303
    name = b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\nA\r\n--x--\r\n'
    page = somebody.client.post(FORM, data=name, content_type="multipart/form-data; boundary=x")
    assert page.status_code == 422
    assert "name" in faults_of(page.text)


def test_parts_that_are_not_utf_8_are_refused(somebody, hidden):
    values = hidden | GOOD | {"name": "A\udcff"}
    parts = (
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    body = "".join([*parts, "--x--\r\n"]).encode(errors="surrogateescape")
    kind = "multipart/form-data; boundary=x"
    assert somebody.client.post(FORM, data=body, content_type=kind).status_code == 400
    assert builders.count_registrations() == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nA\r\n--x--"],
)
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_broken_parts_are_an_empty_form(somebody, body, kind):
    page = somebody.client.post(FORM, data=body, content_type=kind)
    assert page.status_code in {400, 422}
    assert builders.count_registrations() == 0


def test_ten_thousand_parts_are_too_much(somebody):
    part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    body = (part * 7_500 + "--x--\r\n").encode()
    page = somebody.client.post(FORM, data=body, content_type="multipart/form-data; boundary=x")
    assert page.status_code == 413


def test_an_empty_form_says_everything_that_is_missing(somebody):
    page = somebody.client.post(FORM)
    assert page.status_code == 422
    assert set(faults_of(page.text)) == {
        "name", "email", "question_city", "question_seat", "question_rules",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_no_other_method_is_taken(somebody, method):
    page = somebody.client.open(FORM, method=method)
    assert page.status_code == 405
    assert {"GET", "POST"} <= set(page.headers["Allow"].split(", "))


ANYTHING = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING | st.just("a@example.org"))
@example("İ", "ﬀ", "\u0344", "\u1100\u1161", "ß@ß.de")
@example("e\u0301", "\ufeff", "\u200d", "\u061c", "a@example.org")
@example("a", "b", "c", "d", "a@ⅷ.org")
def test_any_text_is_refused_or_kept_unchanged(
    somebody, hidden, name, affiliation, line, long, address
):
    with writing() as tx:
        tx.query(Letter).delete()
        tx.query(Registration).delete()
    typed = {"name": name, "affiliation": affiliation, "email": address}
    typed |= {"question_city": line, "question_ask": long}
    answer = somebody.client.post(FORM, data=hidden | GOOD | typed)
    if answer.status_code == 422:
        assert {} != faults_of(answer.text).keys() <= typed.keys()
        return
    assert answer.status_code == 303
    with reading() as tx:
        held = tx.query(Registration).one().attendee(builders.ring())
    assert (held.name, held.affiliation) == (normalize.line(name), normalize.line(affiliation))
    assert held.answers.get("city", "") == normalize.line(line)
    assert held.answers.get("ask", "") == normalize.paragraphs(long)
