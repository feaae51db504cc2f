"""What a mail server said, as one short line without whom it said it about."""

import re
import smtplib
from collections.abc import Collection

# What is kept of an answer, in characters.
MOST = 200


def words(code: int, said: bytes | str) -> str:
    """Return an answer of smtplib in one line; it has -1 for what is no answer at all."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return _line(f"{code} {text}" if code > 0 else f"not an answer: {text}")


def said_by(error: OSError) -> str:
    """Return why there was no answer, or the one that made smtplib give up."""
    if isinstance(error, smtplib.SMTPResponseException):
        return words(error.smtp_code, error.smtp_error)[:MOST]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return _line(str(error.strerror or error)).rstrip(".")[:MOST]


def _line(text: str) -> str:
    # Any log and database can hold it: a NUL, for one, PostgreSQL cannot.
    text = " ".join(text.split())
    return "".join(character for character in text if character.isprintable())


def redacted(answer: str, recipient: str, private: Collection[str] = ()) -> str:
    """Return a server's answer without the address that servers quote, whole or in parts.

    Nor does it hold a word of `private`, such as the recipient's name; or any that is encoded as in
    a header, which could not be found.
    """
    text = " ".join(map(_without_links, _line(answer).split(" ")))
    # Whatever is long and without a space may be a token.
    text = re.sub(r"[\w-]{24,}", "<token>", text)
    local, _at, domain = recipient.partition("@")
    for part in (local, domain, _unicode(domain), *re.split(r"[\W_]+", local)):
        text = _without(text, part, "<address>")
    for word in {word for item in private for word in item.split()}:
        text = _without(text, word, "<name>")
    return text[:MOST]


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
    # A letter or a short number tells nothing of anybody, and may be the answer's code.
    if len(part) < 2 or (part.isdigit() and len(part) < 4):
        return text
    return re.sub(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", mark, text, flags=re.IGNORECASE)
