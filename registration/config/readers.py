"""The reader of each setting: a function that raises `ValueError` if the value is wrong.

The message says what would be right. It never quotes the value, which may contain a password.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.headerregistry import Address
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

# Possessive quantifiers: without backtracking, matching takes linear time.
_LABEL = r"[A-Za-z0-9_]++(?:-++[A-Za-z0-9_]++)*+"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*+"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"


@dataclass(frozen=True, slots=True)
class MailRoute:
    """The destination of letters: a folder (Maildir), or a mail server with its encryption."""

    folder: Path | None = None
    host: str = ""
    port: int = 0
    encryption: str = "none"  # none | starttls | tls
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given, and the name of its source for messages."""

    value: Any
    source: str
    is_text: bool = False  # an environment variable is always text


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(item: Given) -> str:
    if not isinstance(item.value, str):
        raise ValueError("must be text, in quotes.")  # noqa: TRY004  # one kind of mistake
    if not item.value.strip() or not item.value.isprintable():
        raise ValueError("must be one line of text, and not empty.")
    return item.value.strip()


def _whole_number(least: int, most: int) -> Callable[[Given, Path], int]:
    def read(item: Given, _instance: Path) -> int:
        value = item.value
        if item.is_text and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}.")
        return value

    return read


def _split_root_url(text: str, hint: str) -> SplitResult:
    """Return the parts of a URL that has a host, and neither path nor query nor fragment."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(hint) from None
    if not host.isascii():
        raise ValueError("must write an international host name in its ASCII form (xn--...).")
    if not _is_host(host) or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(hint)
    return parts


def _is_host(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return bool(re.fullmatch(_HOST, text))


def _public_url(item: Given, _instance: Path) -> str:
    hint = (
        "must be the root of the site, such as https://events.example.org, "
        "without a path, a user or a query."
    )
    parts = _split_root_url(_text(item), hint)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        raise ValueError(hint)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':')}"


def _onion_url(item: Given, _instance: Path) -> str:
    hint = "must be the root of an onion service, such as http://<56 characters>.onion."
    url = _split_root_url(_text(item), hint)
    if url.scheme != "http" or not re.fullmatch(r"[a-z2-7]{56}\.onion", url.netloc.lower()):
        raise ValueError(hint)
    return f"http://{url.netloc.lower()}"


def _boolean(item: Given, _instance: Path) -> bool:
    value = item.value
    if item.is_text:
        value = {"true": True, "false": False}.get(value.strip().lower(), value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false.")  # noqa: TRY004  # one kind of mistake
    return value


def _database_url(item: Given, _instance: Path) -> str:
    hint = "must be sqlite:////folder/file.sqlite3 or postgresql+psycopg://user@host/database."
    text = _text(item)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(hint) from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"} or not url.database:
        raise ValueError(hint)
    if url.drivername != "sqlite" and find_spec("psycopg") is None:
        raise ValueError("needs psycopg: install `psycopg[binary]` in this environment.")
    # "file:" begins SQLite's own URLs, which can name a database in memory too.
    if url.drivername == "sqlite" and url.database.startswith((":memory:", "file:")):
        raise ValueError("must name a file: a database in memory would lose registrations.")
    return url.render_as_string(hide_password=False)


def _mail_url(item: Given, instance: Path) -> MailRoute:
    text = _text(item)
    if text.startswith("maildir:") and text != "maildir:":
        return MailRoute(folder=instance / text.removeprefix("maildir:"))
    hint = (
        "must be smtps://user:password@host:465, smtp+starttls://user:password@host:587, "
        "smtp://host:25 or maildir:folder; signs such as @ / # ? and % in a password "
        "are written %40 %2F %23 %3F and %25."
    )
    kinds = {"smtp": ("none", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}
    parts = _split_root_url(text, hint)
    try:
        user = unquote(parts.username or "", errors="strict")
        password = unquote(parts.password or "", errors="strict")
    except UnicodeDecodeError:
        raise ValueError(hint) from None
    if parts.scheme not in kinds or bool(user) != bool(password):
        raise ValueError(hint)
    encryption, port = kinds[parts.scheme]
    return MailRoute(None, parts.hostname or "", parts.port or port, encryption, user, password)


def _mail_from(item: Given, _instance: Path) -> Address:
    text = _text(item)
    match = re.fullmatch(r"(?:(?P<name>[^<>@\"]++)<(?P<in>[^<>]+)>|(?P<bare>[^<>]+))", text)
    address = (match["in"] or match["bare"]).strip() if match else ""
    if not match or not _is_address(address):
        raise ValueError('must be an address such as "Our group <events@example.org>".')
    return Address(display_name=(match["name"] or "").strip(), addr_spec=address)


def _contact(item: Given, _instance: Path) -> str:
    text = _text(item)
    if not _is_address(text):
        raise ValueError("must be an e-mail address such as events@example.org.")
    return text


def _is_address(text: str) -> bool:
    # An operator's address may be on a private host, which email-validator refuses.
    return bool(re.fullmatch(rf"{_ATOM}(?:\.{_ATOM})*+@{_HOST}", text)) and len(text) <= 254


def _site_name(item: Given, _instance: Path) -> str:
    text = _text(item)
    # ical.js does not unescape these in a calendar's name.
    if re.search(r"[,;\\]", text) or len(text) > 100:
        raise ValueError("must have at most 100 characters and no comma, semicolon or backslash.")
    return text


READERS: dict[str, tuple[str, Callable[[Given, Path], Any]]] = {
    "PUBLIC_URL": ("public_url", _public_url),
    "DATABASE_URL": ("database_url", _database_url),
    "MAIL_URL": ("mail", _mail_url),
    "MAIL_FROM": ("mail_from", _mail_from),
    "CONTACT": ("contact", _contact),
    "SITE_NAME": ("site_name", _site_name),
    "RETENTION_DAYS": ("retention_days", _whole_number(1, 3650)),
    "TRUSTED_PROXIES": ("trusted_proxies", _whole_number(0, 10)),
    "FORMS_AN_HOUR": ("forms_an_hour", _whole_number(10, 1_000_000)),
    "LETTERS_AN_HOUR": ("letters_an_hour", _whole_number(10, 1_000_000)),
    "ONION_URL": ("onion_url", _onion_url),
    "OPEN_METRICS": ("open_metrics", _boolean),
    "AT_RISK": ("at_risk", _boolean),
}
