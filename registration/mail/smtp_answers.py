"""Answers of mail servers, as one short line without personal data."""

import re
import smtplib
from collections.abc import Collection

from ..refusals import N_

# Characters of an answer that are kept.
MAX_LENGTH = 200


def describe(code: int, answer: bytes | str) -> str:
    """Return an answer in one line; smtplib gives the code -1 to an invalid answer."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return _line(f"{code} {text}" if code > 0 else f"not an answer: {text}")


def describe_error(error: OSError) -> str:
    """Return the answer that made smtplib give up, or the reason why there was none."""
    if isinstance(error, smtplib.SMTPResponseException):
        return describe(error.smtp_code, error.smtp_error)[:MAX_LENGTH]
    if isinstance(error, TimeoutError):
        return N_("no answer in time")
    return _line(str(error.strerror or error)).rstrip(".")[:MAX_LENGTH]


def _line(text: str) -> str:
    # Only printable characters: PostgreSQL, for one, cannot store a NUL.
    text = " ".join(text.split())
    return "".join(character for character in text if character.isprintable())


def redact(answer: str, recipient: str, private: Collection[str] = ()) -> str:
    """Return a server's answer without the recipient's address, which servers quote.

    It contains no part of the address, no word of `private` (such as the recipient's name), and no
    encoded word of a header, in which these could not be found.
    """
    text = " ".join(map(_without_links, _line(answer).split(" ")))
    # Any long word may be a token.
    text = re.sub(r"[\w-]{24,}", "<token>", text)
    local, _at, domain = recipient.partition("@")
    for part in (local, domain, _unicode(domain), *re.split(r"[\W_]+", local)):
        text = _without(text, part, "<address>")
    for word in {word for item in private for word in item.split()}:
        text = _without(text, word, "<name>")
    return text[:MAX_LENGTH]


def _without_links(word: str) -> str:
    if "://" in word:
        return "<link>"
    if "@" in word:
        return "<address>"
    before, sign, encoded = word.partition("=?")
    # An encoded word of RFC 2047 has a character set and its encoding, B or Q.
    is_encoded = any(kind in encoded[1:].lower() for kind in ("?b?", "?q?"))
    return f"{before}<encoded>" if sign and is_encoded else word


def _unicode(domain: str) -> str:
    try:
        return domain.encode().decode("idna")
    except UnicodeError:
        return domain


def _without(text: str, part: str, mark: str) -> str:
    # A single character or a short number identifies nobody, and may be the answer's code.
    if len(part) < 2 or (part.isdigit() and len(part) < 4):
        return text
    return re.sub(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", mark, text, flags=re.IGNORECASE)
