"""Discussion files (TOML): parse one into an `Announcement`, or report all mistakes at once.

`form_values` turns the fields of the browser's form into the same values, so that one set of rules
applies to both; `writer` writes the file of an announcement.
"""

import re
import tomllib
from datetime import UTC, datetime
from math import ceil
from typing import Any

from ..models import (
    NAME_RULES,
    Announcement,
    Content,
    Contributor,
    Partner,
    Question,
    Sharing,
    When,
)
from ..models.when import instants
from ..refusals import N_, OperatorRefusal, Sentence
from ..text.languages import is_tag
from .form_size import MAX_FORM_BYTES, largest_form
from .table import Mistake, Table
from .times import is_time, read_when

# How many tables each array may have.
MAX_TABLES = {"contributors": 500, "partners": 50, "questions": 20, "sharing": 20}
SLUG = re.compile(r"[a-z0-9]++(?:-[a-z0-9]++)*+")
_KINDS = ("line", "long", "choice", "choices", "yes")
_SHARED = ("name", "email", "affiliation")
# The columns of every export. No question may use one of these keys.
RESERVED_KEYS = {
    "registered_at", "status", "name", "email", "affiliation", "language", "confirmed_at",
    "withdrawn_at", "attended", "letter_state", "shared_with",
}  # fmt: skip


class DiscussionFileRefused(OperatorRefusal):
    """The file is not a valid discussion; `found` has the mistakes, `mistakes` their sentences."""

    def __init__(self, found: list[Mistake]) -> None:
        self.found = found
        self.mistakes = list(map(str, found))
        super().__init__("\n".join(self.mistakes))


def read(content: bytes) -> Announcement:
    """Return the announcement in a file's bytes, or raise `DiscussionFileRefused`."""
    return announce(_values(content))


def announce(values: dict[str, Any], *, is_typed: bool = False) -> Announcement:
    """Return the announcement in a file's values, or raise `DiscussionFileRefused`.

    `is_typed` says that the values come from the form (`form_values.to_file_values`).
    """
    table = Table(values, "", [], is_typed=is_typed)
    announcement = _announcement(table)
    table.close()
    if table.mistakes or announcement is None:
        raise DiscussionFileRefused(table.mistakes)
    return announcement


def _values(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        sentence = Sentence(N_("line %(row)s is not UTF-8: save the file as UTF-8."), row=row)
    except tomllib.TOMLDecodeError as error:
        sentence = Sentence(N_("This is not TOML: %(error)s."), error=error)
    except (ValueError, RecursionError):  # Python's own limits on digits and depth
        sentence = Sentence(
            N_("This is no discussion: a number in it is endless, or a list too deep.")
        )
    raise DiscussionFileRefused([Mistake("", sentence)])


def _announcement(table: Table) -> Announcement | None:
    slug = table.line("slug", most=80)
    if slug and not SLUG.fullmatch(slug):
        table.refuse(
            "slug", N_("may hold small letters a-z, digits and single hyphens between them.")
        )
    uid = table.line("uid", "", most=200)
    if uid and not re.fullmatch(r"[A-Za-z0-9._@+-]{8,}", uid):
        table.refuse("uid", N_("may hold letters a-z, digits and . _ @ + - only, at least eight."))
    title = table.line("title")
    when = read_when(table)
    number = Sentence(N_("a whole number from 1 to 1000000"))
    seats = table.take("seats", int, 0, number)
    if "seats" in table.values and not 0 < seats <= 1_000_000:
        table.refuse("seats", N_("must be %(what)s."), what=number)
    content = _content(table, title, when)
    return Announcement(slug, uid or None, when, seats or None, content) if when else None


def _content(table: Table, title: str, when: When | None) -> Content:
    contributors, partners, questions, sharing = (
        table.tables(name, most) for name, most in MAX_TABLES.items()
    )
    content = Content(
        title=title,
        subtitle=table.line("subtitle", ""),
        summary=table.line("summary", "", most=500),
        description=table.markdown("description"),
        language=_language(table),
        registration=_registration(table, when),
        address_confirmation=table.flag("address_confirmation", default=True),
        join_url=table.url("join_url"),
        recording_url=table.url("recording_url"),
        afterword=table.markdown("afterword"),
        reminders=_reminders(table),
        discreet=table.flag("discreet", default=False),
        names=table.choice("names", NAME_RULES, default=""),
        contributors=[_contributor(item) for item in contributors],
        partners=[_partner(item) for item in partners],
        questions=[_question(item) for item in questions],
        sharing=[_sharing(item) for item in sharing],
    )
    for item in [*contributors, *partners, *questions, *sharing]:
        item.close()
    _refuse_repeated(questions, "key", [question.key for question in content.questions])
    _refuse_repeated(sharing, "partner", [share.partner for share in content.sharing])
    _refuse_large_form(table, content)
    return content


def _language(table: Table) -> str:
    value = table.line("language", "en")
    if not is_tag(value):
        table.refuse("language", N_("must be a language tag such as en, ru or kk."))
    return value


def _registration(table: Table, when: When | None) -> str:
    table.known_keys.append("registration")
    if "registration" not in table.values:
        return "end"
    value = table.values["registration"]
    if isinstance(value, str) and value in {"open", "closed"}:
        return value
    what = N_('must be "open", "closed" or a time such as 2024-03-05T15:00:00.')
    if not isinstance(value, datetime) or not 1970 <= value.year <= 2999:
        table.refuse("registration", what)
        return "closed"
    if value.tzinfo:
        return value.astimezone(UTC).isoformat()
    if not when:  # only the mistake in the discussion's time is reported
        return "closed"
    if not when.zone:
        table.refuse(
            "registration", N_("is a time that needs an offset here, such as ...T15:00:00Z.")
        )
        return "closed"
    if not is_time(table, "registration", value, when.zone):
        return "closed"
    return instants(value, when.zone)[0].isoformat()


def _reminders(table: Table) -> list[str]:
    what = Sentence(N_('a list of times before the start, such as ["1d", "1h"]'))
    found = table.lines("reminders", ["1d", "1h"], what)
    if not all(re.fullmatch(r"[1-9][0-9]{0,2}[dhm]", item) for item in found):
        table.refuse("reminders", N_("must be %(what)s: a number and d, h or m."), what=what)
    if len(found) > 10 or len(set(found)) < len(found):
        table.refuse("reminders", N_("must be at most 10 times, no two the same."))
    return found


def _contributor(table: Table) -> Contributor:
    return Contributor(
        role=table.choice("role", ("speaker", "moderator")),
        name=table.line("name"),
        position=table.line("position", ""),
        organization=table.line("organization", ""),
        url=table.url("url"),
        biography=table.markdown("biography"),
    )


def _partner(table: Table) -> Partner:
    return Partner(
        role=table.line("role"),
        name=table.line("name"),
        place=table.line("place", ""),
        url=table.url("url"),
    )


def _question(table: Table) -> Question:
    key = table.line("key", most=40)
    if key and not re.fullmatch(r"[a-z][a-z0-9_]*", key):
        table.refuse(
            "key", N_("may hold small letters a-z, digits and _, and begins with a letter.")
        )
    if key in RESERVED_KEYS:
        table.refuse("key", N_("is the name of a column of the export; choose another."))
    kind = table.choice("kind", _KINDS)
    options = table.lines("options", [], Sentence(N_('a list of choices, such as ["yes", "no"]')))
    if kind in {"choice", "choices"} and len(options) < 2:
        table.refuse(
            "options", N_('must list at least two choices where kind is "%(kind)s".'), kind=kind
        )
    if kind in {"line", "long", "yes"} and options:
        table.refuse("options", N_('belongs to the kinds "choice" and "choices" only.'))
    if kind == "choices" and any(";" in option for option in options):
        table.refuse("options", N_("may hold no semicolon: the export puts one between choices."))
    if len(options) > 100 or len(set(options)) < len(options):
        table.refuse("options", N_("must be at most 100 choices, no two the same."))
    return Question(
        key=key,
        label=table.line("label"),
        kind=kind,
        options=options,
        required=table.flag("required", default=False),
        why=table.line("why", ""),
    )


def _sharing(table: Table) -> Sharing:
    what = table.lines("what", [], Sentence(N_('a list such as ["name", "email"]')))
    if not what or not set(what) <= set(_SHARED):
        table.refuse("what", N_("must list some of %(names)s."), names=", ".join(_SHARED))
    return Sharing(partner=table.line("partner"), what=what, why=table.line("why"))


def _refuse_large_form(table: Table, content: Content) -> None:
    size = largest_form(content)
    if size > MAX_FORM_BYTES:
        table.refuse(
            "questions",
            N_(
                "ask for too much: with the longest answers, the form has %(size)s kB, and at most "
                "%(most)s kB are taken. Ask for fewer long answers, or offer fewer choices."
            ),
            size=ceil(size / 1024),
            most=MAX_FORM_BYTES // 1024,
        )


def _refuse_repeated(tables: list[Table], key: str, values: list[str]) -> None:
    for number, value in enumerate(values):
        if value and value in values[:number]:
            tables[number].refuse(key, N_('"%(value)s" stands above already.'), value=value)
