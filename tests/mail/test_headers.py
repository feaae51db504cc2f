"""The headers of letters: whole, folded rightly, and with nothing in them that was not meant."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration import create_app
from registration.mail.headers import POLICY
from registration.models import Letter, LetterKind

from .. import builders
from .conftest import KINDS, RING, received

TITLES = [
    "Kazakhstan’s Bloody January",  # noqa: RUF001
    "January January January January January Kazakhstan’s Bloody January",  # noqa: RUF001
    "Права человека в Центральной Азии: " + "вода, земля и люди " * 13,
    "Ж" * 300,
    "Жаңа " * 60,
    "water — " * 37,
    "w" * 300,
    "water " * 50,
    '"Вода" (и земля), <люди>; @ 100%',
    "=?utf-8?q?water?=",
    "=?utf-8?q?x=0D=0ABcc:_eve@example.org?= water",
    "=?utf-8?b?!!!?=",
    "😀 " * 100,
]


def raw(message: EmailMessage, name: str) -> str:
    """Return a header as an older parser decodes it from the bytes."""
    found = message_from_bytes(message.as_bytes())
    (value,) = found.get_all(name)
    return str(make_header(decode_header(re.sub(r"\r?\n", "", value))))


def titled(title):
    return builders.unsaved_discussion(builders.file(f"title = '''{title.strip()}'''"))


def test_the_headers_are_those_and_no_others(write):
    message = write(LetterKind.CONFIRMATION)
    assert dict(message.items()) == {
        "From": "Our group <events@example.org>",
        "To": "aigerim@example.org",
        "Subject": "You are registered: Who owns the water?",
        "Date": "Mon, 02 Mar 2026 12:00:00 +0000",
        "Message-ID": Letter(public_id="5f2a").message_id(RING, "events.example.org"),
        "Auto-Submitted": "auto-generated",
        "Reply-To": "hosts@example.org",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }


def test_the_date_is_when_the_letter_is_written(write, clock):
    clock.now = datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
    assert received(write(LetterKind.LINK))["Date"].datetime == clock.now


def test_without_a_contact_there_is_no_reply_to(write, paper, clock, tmp_path):
    app = create_app({"INSTANCE": str(tmp_path)}, clock=clock)
    with app.app_context():
        message = write(LetterKind.LINK)
    assert message["Reply-To"] is None
    assert message["From"] == "Registration <registration@localhost>"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Eve\u2028Bcc: x@y.z", "Eve\r\nBcc: x@y.z", "Eve\x0bBcc: x@y.z"])
def test_a_name_never_reaches_a_header(write, kind, name):
    message = write(kind, name=name, affiliation=name)
    for part in received(message).walk():
        assert "Bcc" not in part
        assert not [value for value in part.values() if "Eve" in value]


@pytest.mark.parametrize("title", TITLES)
def test_a_subject_is_folded_and_read_back_whole(write, title):
    message = write(LetterKind.CONFIRMATION, titled(title))
    subject = f"You are registered: {' '.join(title.split())}"
    assert message["Subject"] == subject
    assert received(message)["Subject"] == subject
    assert raw(message, "Subject") == subject
    assert received(message)["Bcc"] is None
    folded = message.as_bytes().partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, folded)) <= (78 if title != "w" * 300 else 998)


def test_a_subject_is_one_line_whatever_the_title(write):
    discussion = builders.unsaved_discussion()
    object.__setattr__(discussion.content, "title", "a\r\nBcc: eve@example.org\u2028b\x85c")
    message = write(LetterKind.CONFIRMATION, discussion)
    assert received(message)["Bcc"] is None
    assert message["Subject"] == "You are registered: a Bcc: eve@example.org b c"


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=300))
def test_any_subject_is_read_back_whole(title):
    message = EmailMessage(policy=POLICY)
    message["Subject"] = " ".join(f"About {title}".split())
    message.set_content("water\n")
    assert raw(message, "Subject") == message["Subject"]
    assert received(message).get_content() == "water\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Our group",
        "«Мир» человека человека — правах — Общество — «Мир» о Central «Мир»",  # noqa: RUF001
        "Общество любителей обсуждать права человека " * 5,
        'Group, "quoted" (Almaty) <x>',
    ],
)
def test_a_sender_is_folded_and_read_back_whole(name):
    message = EmailMessage(policy=POLICY)
    message["From"] = Address(display_name=name.strip(), addr_spec="events@example.org")
    message.set_content("water\n")
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name.strip(), "events@example.org")
    if not name.isascii():
        assert raw(message, "From") == f"{name.strip()} <events@example.org>"
    assert received(message)["From"].addresses[0].addr_spec == "events@example.org"
    assert max(map(len, message.as_bytes().split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "address",
    [
        "a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + ".example.org",
        "o'brien+x/y=z@example.org",
        "{a}|b~c^d`e*f?g!h#i$j%k&l_m@example.org",
        "user@xn--e1afmkfd.xn--p1ai",
    ],
)
def test_any_accepted_address_stands_in_to_whole(write, address):
    message = write(LetterKind.LINK, address=address)
    assert received(message)["To"].addresses[0].addr_spec == address
    assert f"\r\nTo: {address}\r\n".encode() in message.as_bytes()
