"""Answers of mail servers, as one short line without personal data."""

import re
import smtplib
from collections.abc import Collection

from ..refusals import N_

# Characters of an answer that are kept.
MAX_LENGTH = 200
# An enhanced status code (RFC 3463), such as 5.1.1.
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")
# A word of this length with a digit may be an id.
_MIN_ID_LENGTH = 6


def describe(code: int, answer: bytes | str) -> str:
    """Return an answer in one line; smtplib gives the code -1 to an invalid answer."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return _line(f"{code} {text}" if code > 0 else f"not an answer: {text}")


def accepted(code: int, answer: bytes | str) -> str:
    """Return the codes of an answer that accepts a letter, such as "250 2.0.0".

    The text after them often has the id under which the server's log names the recipient.
    """
    enhanced = _ENHANCED.match(describe(code, answer).partition(" ")[2])
    return f"{code} {enhanced[0]}" if enhanced else f"{code}"


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

    It contains no part of the address, no word of `private` (such as the recipient's name), no
    encoded word of a header, in which these could not be found, and no id or time under which the
    server's own log names the recipient.
    """
    text = " ".join(map(_without_links, _line(answer).split(" ")))
    # Any long word may be a token.
    text = re.sub(r"[\w-]{24,}", "<token>", text)
    local, _at, domain = recipient.partition("@")
    for part in (local, domain, _unicode(domain), *re.split(r"[\W_]+", local)):
        text = _without(text, part, "<address>")
    for word in {word for item in private for word in item.split()}:
        text = _without(text, word, "<name>")
    return " ".join(map(_without_id, text.split(" ")))[:MAX_LENGTH]


def _without_links(word: str) -> str:
    if "://" in word:
        return "<link>"
    if "@" in word:
        return "<address>"
    before, sign, encoded = word.partition("=?")
    # An encoded word of RFC 2047 has a character set and its encoding, B or Q.
    is_encoded = any(kind in encoded[1:].lower() for kind in ("?b?", "?q?"))
    return f"{before}<encoded>" if sign and is_encoded else word


def _without_id(word: str) -> str:
    """Return `word`, or a mark if a server may use it to name the letter or the time in its log."""
    core = word.strip("<>()[]{}\"';:,.")
    if len(core) < _MIN_ID_LENGTH or "<" in core or not any(map(str.isdigit, core)):
        return word
    is_host = "." in core and core.rpartition(".")[2].isalpha()
    is_address_or_code = set(core) <= set("0123456789.-") and core.count(".") > 1
    return word if is_host or is_address_or_code else word.replace(core, "<id>")


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
