"""Hostile text: strategies over all of Unicode."""

from typing import Any

from hypothesis import strategies as st

# Each ends, opens or runs something in one of the formats that text is written into.
PIECES = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</textarea>", "</title>",
    "-->", "<!--", "]]>", "&lt;", "&#13;&#10;", "&#x202e;", "<a href='javascript:alert(1)'>",
    "{{ 7*7 }}", "{% raw %}", "%(name)s", "%s", "%00", "%0d%0a", "${7*7}", "\\u0000",
    "\r\nBcc: x@example.org", "\nSubject: x", "\r\n\r\n", "\r\n.\r\n", "=?utf-8?q?=0D=0AX:_y?=",
    "\r\nEND:VEVENT", "\nBEGIN:VALARM", "\\n", "\\N", "\\;", ";", ",", ":", '"', "^n", "\r\n ",
    "=1+1", "+7 701", "-1", "@SUM(A1)", "'", "'=", "\t=1", "=cmd|' /C calc'!A0", "\uff1d1",
    "Ann;=1+1", "; '=1", '"=1', "|@", "',\t",
    '","', '"\r\n"', "' OR 1=1 --", "'; DROP TABLE registrations; --", "../../etc/passwd", "\\\\",
    "\0", "\x07", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b",
    "\u200d", "\ufeff", "\u061c", "\ufffe", "\U0010ffff", "\ufdd0", "\u00a0", "\u3000", "\u00ad",
    "e\u0301", "\u0344", "\u1100\u1161", "\u0130", "\ufb00", "\ufdfa", "\u1e9e",
    "\N{WOMAN}\u200d\N{ROCKET}", "Қанат", "اسم", "名", "a" * 199, "я" * 300,
]  # fmt: skip
SURROGATES = ["\ud800", "\udfff", "\ud83d"]

LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=["Cc"])


def hostile(most: int = 6, *, surrogates: bool = False) -> st.SearchStrategy[str]:
    """Return texts of up to `most` pieces that break something, and of any characters."""
    excluded = [] if surrogates else ["Cs"]
    pieces = PIECES + (SURROGATES if surrogates else [])
    piece = st.one_of(
        st.sampled_from(pieces),
        st.characters(exclude_categories=excluded),
        st.text(LETTERS, max_size=8),
    )
    return st.lists(piece, max_size=most).map("".join)


def visible(most: int = 6) -> st.SearchStrategy[str]:
    """Return hostile texts that a field of one line takes, so that they get further."""
    allowed = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    kept = [piece for piece in PIECES if piece.isprintable() and len(piece) < 60]
    piece = st.one_of(st.sampled_from(kept), allowed, st.text(LETTERS, max_size=8))
    return st.lists(piece, min_size=1, max_size=most).map("".join)


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> Any:
    """Return a strategy that is `other` one time in four."""
    return st.integers(0, 3).flatmap(lambda number: other if number == 3 else usual)


def addresses() -> st.SearchStrategy[str]:
    """Return e-mail addresses: right ones, odd ones that are right, and wrong ones."""
    signs = st.sampled_from("abcXYZ019!#$%&'*+/=?^_`{|}~-")
    odd = st.sampled_from(["=?utf-8?q?a?=", "a.b", ".a", "a..b", '"a b"', "a,b", "a;b", "a\\"])
    hosts = st.sampled_from(["example.org", "EXAMPLE.org", "пример.рф", "xn--e1afmkfd.xn--p1ai",
                             "straße.de", "a.b.c.example.kz", "a-b.org"])  # fmt: skip
    wrong = st.sampled_from(["localhost", "[127.0.0.1]", "xn--a.org", "-a.org", "a..org", ""])
    local = mostly(st.text(signs, min_size=1, max_size=20), st.one_of(odd, visible(2)))
    domain = mostly(hosts, st.one_of(wrong, visible(2)))
    return mostly(st.tuples(local, domain).map("@".join), hostile(4))
