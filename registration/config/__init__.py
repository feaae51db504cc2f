"""The settings of an installation: names, types, defaults, and the checks at start.

A setting comes from the environment (`REGISTRATION_<NAME>`), else from `settings.toml` in the
instance folder, else from its default. All mistakes are reported at once.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.headerregistry import Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import URL

from ..refusals import OperatorRefusal
from .readers import READERS, Given, MailRoute, is_loopback

__all__ = [
    "READERS",
    "MailRoute",
    "Settings",
    "SettingsRefused",
    "from_environment",
    "is_loopback",
    "load",
]

PREFIX = "REGISTRATION_"
DEFAULT_PORT = 8000


class SettingsRefused(OperatorRefusal):
    """At least one setting is wrong; `mistakes` has a sentence for each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("The settings are refused.\n" + "\n".join(f"  {m}" for m in mistakes))


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
    forms_an_hour: int
    letters_an_hour: int
    onion_url: str | None
    open_metrics: bool
    at_risk: bool
    has_public_url: bool
    credentials: Path | None

    def on_port(self, port: int) -> "Settings":
        """Return the settings of a server on `port`; a default PUBLIC_URL gets this port."""
        return self if self.has_public_url else replace(self, public_url=_local_url(port))

    @property
    def host(self) -> str:
        """The host of PUBLIC_URL, without its port."""
        return _host(self.public_url)

    @property
    def keys(self) -> Path:
        """The folder of the keys, apart from the database and its backups.

        Keys are also read from `credentials`, systemd's folder, but never made there.
        """
        return self.instance / "keys"

    @property
    def is_public(self) -> bool:
        """Whether the service is meant to be reached from other machines."""
        return not is_loopback(self.host)


def _local_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def load(environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings, or raise `SettingsRefused` with every mistake.

    `overrides` win over all other sources; the names are those of the documentation, and `PORT`.
    """
    overrides = dict(overrides or {})
    mistakes: list[str] = []
    port = _port(overrides.pop("PORT", None) or environment.get("PORT") or DEFAULT_PORT, mistakes)
    instance = Path(
        overrides.pop("INSTANCE", None) or environment.get(PREFIX + "INSTANCE") or "instance"
    ).absolute()
    given = _read_file(instance / "settings.toml", mistakes)
    given |= {
        name.removeprefix(PREFIX): Given(value, name, is_text=True)
        for name, value in environment.items()
        if name.startswith(PREFIX) and name != PREFIX + "INSTANCE"
    }
    given |= {name: Given(value, name) for name, value in overrides.items()}
    _refuse_unknown(given, mistakes)
    values = _read_values(given, instance, _local_url(port), mistakes)
    mistakes += _find_unsafe(values, environment)
    if mistakes:
        raise SettingsRefused(mistakes)
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    return Settings(
        instance,
        has_public_url="PUBLIC_URL" in given,
        credentials=Path(credentials) if credentials else None,
        **values,
    )


def _port(value: object, mistakes: list[str]) -> int:
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65536:
        return int(text)
    mistakes.append("PORT must be a whole number from 1 to 65535.")
    return DEFAULT_PORT


def _read_file(path: Path, mistakes: list[str]) -> dict[str, Given]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        mistakes.append(f"{path.name} is not UTF-8: save it as UTF-8.")
        return {}
    except OSError as error:
        mistakes.append(f"{path.name} cannot be read: {error.strerror}.")
        return {}
    except (ValueError, RecursionError) as error:  # too long numbers, too deeply nested tables
        mistakes.append(f"{path.name} is not TOML: {error}.")
        return {}
    return {name: Given(value, f"{path.name}: {name}") for name, value in table.items()}


def _refuse_unknown(given: dict[str, Given], mistakes: list[str]) -> None:
    for name in sorted(given.keys() - READERS.keys()):
        source = given[name].source
        if name == "INSTANCE":
            mistakes.append(f"{source} cannot stand in that folder; set {PREFIX}INSTANCE instead.")
        else:
            known = ", ".join(["INSTANCE", *READERS])
            mistakes.append(f"{source} is not a setting; the settings are {known}.")


def _read_values(
    given: dict[str, Given], instance: Path, origin: str, mistakes: list[str]
) -> dict[str, Any]:
    """Return the values by field, without those that have a mistake."""
    database = URL.create("sqlite", database=str(instance / "registration.sqlite3"))
    defaults = {
        "PUBLIC_URL": origin,
        "DATABASE_URL": database.render_as_string(),
        "MAIL_URL": "maildir:letters",
        "MAIL_FROM": "Registration <registration@localhost>",
        "CONTACT": None,
        "SITE_NAME": "Discussions",
        "RETENTION_DAYS": 30,
        "TRUSTED_PROXIES": 0,
        "FORMS_AN_HOUR": 4000,
        "LETTERS_AN_HOUR": 2000,
        "ONION_URL": None,
        "OPEN_METRICS": False,
        "AT_RISK": False,
    }
    values: dict[str, Any] = {}
    for name, (field, read) in READERS.items():
        item = given.get(name) or Given(defaults[name], name)
        try:
            values[field] = item.value if item.value is None else read(item, instance)
        except ValueError as error:
            mistakes.append(f"{item.source} {error}")
    return values


def _find_unsafe(values: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Return mistakes in settings that are well-formed but would endanger attendees."""
    mistakes = []
    url: str = values.get("public_url") or ""
    is_public = bool(url) and not is_loopback(_host(url))
    if is_public and url.startswith("http:") and not _host(url).endswith(".onion"):
        mistakes.append("PUBLIC_URL must begin with https:// unless it is this machine itself.")
    route: MailRoute = values.get("mail") or MailRoute(folder=Path())
    if route.folder is None and route.encryption == "none" and not is_loopback(route.host):
        mistakes.append(
            "MAIL_URL must use smtps:// or smtp+starttls:// unless the server is this machine."
        )
    if is_public and environment.get("FLASK_DEBUG", "0").lower() not in {"", "0", "false"}:
        mistakes.append("FLASK_DEBUG must be off where PUBLIC_URL is public.")
    return mistakes


def from_environment(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of this process."""
    return load(os.environ, overrides)
