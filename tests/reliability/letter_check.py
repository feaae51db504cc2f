"""Checks the bytes of a received letter, with no code that wrote it: whole, and for whom?

RFC 5322 and MIME (RFC 2046 5.1.1) are read from the bytes alone. A letter cut off anywhere lacks
its last boundary.
"""

import base64
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_LINE = 998
_TOKEN = re.compile(rb"/registrations/([\w-]{43})\b")
_ENDS = {b"text/html": b"</html>", b"text/calendar": b"END:VCALENDAR"}


class Flawed(Exception):
    """A letter is not whole, or not well-formed."""


@dataclass(frozen=True, slots=True)
class Letter:
    """The identity of a letter: its address, Message-ID and token of the personal link."""

    address: str
    message_id: str
    token: str


def read(content: bytes) -> Letter:
    """Return what a letter holds, or raise `Flawed`."""
    lines = content.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line or len(line) > LONGEST_LINE for line in lines):
        raise Flawed("a line ends without CRLF, or is too long")
    headers, _body = _split(content)
    if not {b"to", b"message-id"} <= headers.keys():
        raise Flawed("a header is missing")
    leaves = dict(_leaves(content))
    for kind, end in _ENDS.items():
        if kind in leaves and not leaves[kind].rstrip().endswith(end):
            raise Flawed(f"{kind.decode()} does not end with {end.decode()}")
    if leaves.get(b"application/ics") != leaves.get(b"text/calendar"):
        raise Flawed("the invitation and its attachment differ")
    token = _TOKEN.search(leaves.get(b"text/plain", b""))
    if not token or token[1] not in leaves.get(b"text/html", b""):
        raise Flawed("the personal link is missing")
    return Letter(
        headers[b"to"].decode().strip("<>"), headers[b"message-id"].decode(), token[1].decode()
    )


def _split(content: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return headers, unfolded, by their names in lower case, and the body."""
    head, blank, body = content.partition(b"\r\n\r\n")
    if not blank:
        raise Flawed("the headers do not end")
    unfolded = re.sub(rb"\r\n[ \t]", b" ", head)
    pairs = [line.split(b":", 1) for line in unfolded.split(b"\r\n") if line]
    headers = {name.lower(): value.strip() for name, value in pairs}
    if len(headers) != len(pairs):
        raise Flawed("a header comes twice")
    return headers, body


def _leaves(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield content type and decoded content of each part that has no parts itself."""
    headers, body = _split(content)
    kind = headers.get(b"content-type", b"text/plain")
    boundary = re.search(rb'boundary="?([^";]+)', kind)
    if not boundary:
        yield kind.split(b";")[0], _decoded(headers, body)
        return
    mark = re.escape(b"--" + boundary[1])
    _preamble, *parts = re.split(rb"(?:^|\r\n)" + mark + rb"(?=--|\r\n)", body)
    if not parts or not parts[-1].startswith(b"--"):
        raise Flawed("the last boundary is missing")
    for part in parts[:-1]:
        yield from _leaves(part.removeprefix(b"\r\n"))


def _decoded(headers: dict[bytes, bytes], body: bytes) -> bytes:
    coding = headers.get(b"content-transfer-encoding", b"7bit")
    if coding == b"base64":
        try:
            return base64.b64decode(b"".join(body.split()), validate=True)
        except ValueError:
            raise Flawed("a part is not base64") from None
    return quopri.decodestring(body) if coding == b"quoted-printable" else body
