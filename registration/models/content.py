"""The content of a discussion: title, abstract, contributors, partners, questions.

These values have no tables: they are stored as JSON, with each revision. A new field needs a
default (see `stored`), and must be left out of `Announcement.digest` while it has that value: the
digest of a file is compared with digests that older releases stored.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ..config import Settings
from .stored import known, refuse_newer, with_version

_VERSION = 1
# Whether the form has a field for a name, and whether it may stay empty.
NAME_RULES = ("required", "optional", "none")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True)
class Contributor:
    """A speaker or the moderator. `biography` is Markdown."""

    role: str  # speaker | moderator
    name: str
    position: str = ""
    organization: str = ""
    url: str = ""
    biography: str = ""

    @property
    def affiliation(self) -> str:
        """Position and organization in one line."""
        return ", ".join(part for part in (self.position, self.organization) if part)


@dataclass(frozen=True, slots=True)
class Partner:
    """An organization that holds the discussion with the host."""

    role: str
    name: str
    place: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the form; `key` names its answer and its column in the CSV."""

    key: str
    label: str
    kind: str  # line | long | choice | choices | yes
    options: list[str]
    required: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sharing:
    """A partner's request for some of the attendees' data; each attendee may agree or not."""

    partner: str
    what: list[str]
    why: str


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that is announced of a discussion except slug, UID, time and seats.

    `registration` is "open" (never closes by itself), "closed", "end" (until the discussion
    ends) or an instant in ISO 8601. `names` is a rule for the form's field (`NAME_RULES`); empty,
    it is left to the installation.
    """

    title: str
    subtitle: str
    summary: str
    description: str
    language: str
    registration: str
    address_confirmation: bool
    join_url: str
    recording_url: str
    afterword: str
    reminders: list[str]
    discreet: bool
    contributors: list[Contributor]
    partners: list[Partner]
    questions: list[Question]
    sharing: list[Sharing]
    names: str = ""

    def is_discreet(self, settings: Settings) -> bool:
        """Whether letters and attendees' calendars must not name the discussion.

        `discreet` is only what the announcement states: everything that is sent asks here.
        """
        return self.discreet or settings.at_risk

    def name_rule(self, settings: Settings) -> str:
        """Return whether the form asks for a name: "required", "optional" or "none"."""
        return self.names or ("none" if settings.at_risk else "required")

    @property
    def reminder_spans(self) -> list[timedelta]:
        """How long before the start each reminder is sent."""
        return [timedelta(**{_UNITS[item[-1]]: int(item[:-1])}) for item in self.reminders]

    @property
    def speakers(self) -> list[Contributor]:
        return [person for person in self.contributors if person.role == "speaker"]

    @property
    def moderators(self) -> list[Contributor]:
        return [person for person in self.contributors if person.role == "moderator"]


# The fields that are lists of dataclasses.
_NESTED = {
    "contributors": Contributor,
    "partners": Partner,
    "questions": Question,
    "sharing": Sharing,
}


def content_as_json(content: Content) -> dict[str, Any]:
    """Return content as the JSON value that is stored."""
    return with_version(asdict(content), _VERSION)


def content_from_json(stored: dict[str, Any]) -> Content:
    """Return content from its stored JSON value, or raise `StoredByNewer`."""
    refuse_newer(stored, _VERSION)
    nested: dict[str, Any] = {
        name: [known(kind, item) for item in stored[name]]
        for name, kind in _NESTED.items()
        if name in stored
    }
    return known(Content, stored | nested)


def digest(value: dict[str, Any]) -> str:
    """Return the SHA-256 of `value`, in hexadecimal, regardless of the order of keys."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class ContentType(TypeDecorator[Content]):
    """A column that holds a `Content` as JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Content | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else content_as_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Content | None:  # noqa: ARG002
        return None if value is None else content_from_json(value)
