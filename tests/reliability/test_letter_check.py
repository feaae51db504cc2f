"""The check of letters: a whole one is read, and what is cut off or changed is seen."""

import pytest

from .letter_check import Flawed, Letter, read

TOKEN = "A" * 43
HEADERS = """From: Our group <events@example.org>
To: aigerim@example.org
Subject: A title so long
 that it is folded
Message-ID: <a1b2@example.org>
Content-Type: multipart/mixed; boundary="outer"

"""
BODY = f"""--outer
Content-Type: multipart/alternative;
 boundary="inner"

--inner
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

https://example.org/registratio=
ns/{TOKEN}
--inner
Content-Type: text/html; charset="utf-8"

<html>{TOKEN}</html>

--inner
Content-Type: text/calendar
Content-Transfer-Encoding: base64

RU5EOlZDQUxFTkRBUg==

--inner--

--outer
Content-Type: application/ics
Content-Transfer-Encoding: base64

RU5EOlZDQUxFTkRBUg==

--outer--
"""


def raw(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def test_a_whole_letter_is_read():
    assert read(raw(HEADERS + BODY)) == Letter("aigerim@example.org", "<a1b2@example.org>", TOKEN)


def test_a_letter_cut_off_anywhere_is_flawed():
    whole = raw(HEADERS + BODY)
    for length in range(len(whole) - len("\r\n")):
        with pytest.raises(Flawed):
            read(whole[:length])


@pytest.mark.parametrize(
    ("was", "becomes", "flaw"),
    [
        ("Message-ID: ", "X-Message-ID: ", "header is missing"),
        (">\r\nContent-Type", ">\nContent-Type", "without CRLF"),
        ("title so long", "title" * 200, "too long"),
        ("Subject: A", "To: bolat@example.org\r\nSubject: A", "twice"),
        ("RU5EOlZD", "RU5E!lZD", "not base64"),
        ("</html>", "", "text/html does not end"),
        (f"<html>{TOKEN}", "<html>", "link is missing"),
        ("Content-Type: application/ics", "Content-Type: application/x", "differ"),
    ],
)
def test_each_flaw_is_seen(was, becomes, flaw):
    whole = raw(HEADERS + BODY).decode()
    assert was in whole
    with pytest.raises(Flawed, match=flaw):
        read(whole.replace(was, becomes).encode())
