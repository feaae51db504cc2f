"""Every setting of an installation: its name, type, default, and what is refused at start.

A setting comes from the environment (`REGISTRATION_<NAME>`), else from `settings.toml` in the
instance folder, else from its default. Every mistake is told at once.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from .refusals import Refusal

PREFIX = "REGISTRATION_"
DEFAULT_PORT = 8000


class SettingsRefused(Refusal):
    """At least one setting is wrong; `mistakes` has a sentence for each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("The settings are refused.\n" + "\n".join(f"  {m}" for m in mistakes))


@dataclass(frozen=True, slots=True)
class MailRoute:
    """Where letters go: a folder (Maildir), or a mail server with its kind of encryption."""

    folder: Path | None = None
    host: str = ""
    port: int = 0
    encryption: str = "none"  # none | starttls | tls
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one installation, checked."""

    instance: Path
    public_url: str
    database_url: str
    mail: MailRoute
    mail_from: Address
    contact: str | None
    site_name: str
    retention_days: int
    trusted_proxies: int
    has_public_url: bool

    def on_port(self, port: int) -> "Settings":
        """Return the settings of a server on `port`, which a default PUBLIC_URL follows."""
        return self if self.has_public_url else replace(self, public_url=_local_url(port))

    @property
    def host(self) -> str:
        """The host of PUBLIC_URL, without its port."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def keys(self) -> Path:
        """The folder of the keys, apart from the database and its backups."""
        return self.instance / "keys"

    @property
    def is_public(self) -> bool:
        """Whether others than this machine's users are meant to reach the service."""
        return not is_loopback(self.host)


def _local_url(port: int | str) -> str:
    return f"http://127.0.0.1:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load(environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings, or raise `SettingsRefused` with every mistake.

    `overrides` win over everything: names as in the documentation, and `PORT`.
    """
    overrides = dict(overrides or {})
    port = overrides.pop("PORT", None) or environment.get("PORT") or DEFAULT_PORT
    instance = Path(
        overrides.pop("INSTANCE", None) or environment.get(PREFIX + "INSTANCE") or "instance"
    ).absolute()
    mistakes: list[str] = []
    given = _read_file(instance / "settings.toml", mistakes)
    given |= {
        name.removeprefix(PREFIX): _Given(value, name, is_text=True)
        for name, value in environment.items()
        if name.startswith(PREFIX) and name != PREFIX + "INSTANCE"
    }
    given |= {name: _Given(value, name) for name, value in overrides.items()}
    _refuse_unknown(given, mistakes)
    values = _read_values(given, instance, _local_url(port), mistakes)
    if not mistakes:
        settings = Settings(instance, has_public_url="PUBLIC_URL" in given, **values)
        mistakes += _unsafe(settings, environment)
    if mistakes:
        raise SettingsRefused(mistakes)
    return settings


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it was given, and what to call its place in an error."""

    value: Any
    place: str
    is_text: bool = False  # an environment variable is always text


def _read_file(path: Path, mistakes: list[str]) -> dict[str, _Given]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        mistakes.append(f"{path.name} is not UTF-8: save it as UTF-8.")
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path.name} cannot be read: {error}.")
        return {}
    return {name: _Given(value, f"{path.name}: {name}") for name, value in table.items()}


def _refuse_unknown(given: dict[str, _Given], mistakes: list[str]) -> None:
    mistakes += [
        f"{given[name].place} is not a setting; the settings are INSTANCE, {', '.join(READERS)}."
        for name in sorted(given.keys() - READERS.keys())
    ]


def _read_values(
    given: dict[str, _Given], instance: Path, origin: str, mistakes: list[str]
) -> dict[str, Any]:
    defaults = {
        "PUBLIC_URL": origin,
        "DATABASE_URL": f"sqlite:///{instance / 'registration.sqlite3'}",
        "MAIL_URL": "maildir:letters",
        "MAIL_FROM": "Registration <registration@localhost>",
        "CONTACT": None,
        "SITE_NAME": "Discussions",
        "RETENTION_DAYS": 30,
        "TRUSTED_PROXIES": 0,
    }
    values: dict[str, Any] = {}
    for name, (field, read) in READERS.items():
        item = given.get(name) or _Given(defaults[name], name)
        try:
            values[field] = item.value if item.value is None else read(item, instance)
        except ValueError as error:
            mistakes.append(f"{item.place} {error}")
    return values


def _text(item: _Given) -> str:
    if not isinstance(item.value, str):
        raise ValueError("must be text, in quotes.")  # noqa: TRY004  # one kind of mistake
    if not item.value.strip() or not item.value.isprintable():
        raise ValueError("must be one line of text, and not empty.")
    return item.value.strip()


def _whole_number(least: int, most: int) -> Callable[[_Given, Path], int]:
    def read(item: _Given, _instance: Path) -> int:
        value = item.value
        if item.is_text and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}.")
        return value

    return read


def _public_url(item: _Given, _instance: Path) -> str:
    text = _text(item)
    parts = urlsplit(text)
    wrong = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in {"http", "https"} or not parts.hostname or wrong or _bad_port(text):
        raise ValueError(
            "must be the root of the site, such as https://events.example.org, "
            "without a path, a user or a query."
        )
    if not parts.hostname.isascii():
        raise ValueError("must write an international host name in its ASCII form (xn--...).")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _bad_port(url: str) -> bool:
    try:
        return urlsplit(url).port == 0
    except ValueError:
        return True


def _database_url(item: _Given, _instance: Path) -> str:
    hint = "must be sqlite:////folder/file.sqlite3 or postgresql+psycopg://user@host/database."
    try:
        url = make_url(_text(item))
    except ArgumentError:
        raise ValueError(hint) from None
    if url.drivername not in {"sqlite", "postgresql+psycopg"} or not url.database:
        raise ValueError(hint)
    if url.drivername == "sqlite" and url.database == ":memory:":
        raise ValueError("must name a file: a database in memory would lose registrations.")
    return url.render_as_string(hide_password=False)


def _mail_url(item: _Given, instance: Path) -> MailRoute:
    text = _text(item)
    if text.startswith("maildir:") and text != "maildir:":
        return MailRoute(folder=instance / text.removeprefix("maildir:"))
    parts = urlsplit(text)
    kinds = {"smtp": ("none", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}
    if parts.scheme not in kinds or not parts.hostname or parts.path.strip("/") or _bad_port(text):
        raise ValueError(
            "must be smtps://user:password@host:465, smtp+starttls://user:password@host:587, "
            "smtp://host:25 or maildir:folder."
        )
    encryption, port = kinds[parts.scheme]
    return MailRoute(
        host=parts.hostname,
        port=parts.port or port,
        encryption=encryption,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _mail_from(item: _Given, _instance: Path) -> Address:
    text = _text(item)
    found = re.fullmatch(r"(?:(?P<name>[^<>@\"]+?)\s*<(?P<in>[^<>]+)>|(?P<bare>[^<>]+))", text)
    address = (found["in"] or found["bare"]).strip() if found else ""
    if not found or not _is_address(address):
        raise ValueError('must be an address such as "Our group <events@example.org>".')
    return Address(display_name=(found["name"] or "").strip(), addr_spec=address)


def _contact(item: _Given, _instance: Path) -> str:
    text = _text(item)
    if not _is_address(text):
        raise ValueError("must be an e-mail address such as events@example.org.")
    return text


def _is_address(text: str) -> bool:
    # An operator's own address may lie on a private host, which email-validator refuses.
    return bool(re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+", text))


def _site_name(item: _Given, _instance: Path) -> str:
    text = _text(item)
    # ical.js does not unescape these in a calendar's name.
    if re.search(r"[,;\\]", text) or len(text) > 100:
        raise ValueError("must have at most 100 characters and no comma, semicolon or backslash.")
    return text


READERS: dict[str, tuple[str, Callable[[_Given, Path], Any]]] = {
    "PUBLIC_URL": ("public_url", _public_url),
    "DATABASE_URL": ("database_url", _database_url),
    "MAIL_URL": ("mail", _mail_url),
    "MAIL_FROM": ("mail_from", _mail_from),
    "CONTACT": ("contact", _contact),
    "SITE_NAME": ("site_name", _site_name),
    "RETENTION_DAYS": ("retention_days", _whole_number(1, 3650)),
    "TRUSTED_PROXIES": ("trusted_proxies", _whole_number(0, 10)),
}


def _unsafe(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Return what is well-formed but would endanger the people who register."""
    mistakes = []
    onion = settings.host.endswith(".onion")
    if settings.is_public and settings.public_url.startswith("http:") and not onion:
        mistakes.append("PUBLIC_URL must begin with https:// unless it is this machine itself.")
    route = settings.mail
    if route.folder is None and route.encryption == "none" and not is_loopback(route.host):
        mistakes.append(
            "MAIL_URL must use smtps:// or smtp+starttls:// unless the server is this machine."
        )
    if settings.is_public and environment.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false"}:
        mistakes.append("FLASK_DEBUG must be off where PUBLIC_URL is public.")
    return mistakes


def from_environment(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of this process."""
    return load(os.environ, overrides)
