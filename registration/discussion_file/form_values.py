"""The values of the browser's form, converted to the values of a discussion file and back.

`Typed` values are text, right or wrong: a field is a string, a checkbox is "yes" or "", `what` of
sharing is a list of strings, and a group such as contributors is a list of tables.
"""

import hashlib
import json
import re
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..models import Announcement
from ..models.when import instants, is_zone

Typed = dict[str, Any]

# The single fields of the form, with their values for a new discussion.
_LINES = {
    "title": "",
    "subtitle": "",
    "summary": "",
    "description": "",
    "when": "span",
    "date": "",
    "starts": "",
    "ends": "",
    "zone": "",
    "language": "en",
    "registration": "end",
    "until": "",
    "seats": "",
    "address_confirmation": "yes",
    "join_url": "",
    "recording_url": "",
    "afterword": "",
    "reminders": "1d, 1h",
    "discreet": "",
    "names": "",
}
GROUPS: dict[str, dict[str, Any]] = {
    "contributors": {
        "role": "speaker", "name": "", "position": "", "organization": "", "url": "",
        "biography": "",
    },
    "partners": {"role": "", "name": "", "place": "", "url": ""},
    "questions": {
        "key": "", "label": "", "kind": "line", "options": "", "required": "", "why": "",
    },
    "sharing": {"partner": "", "what": [], "why": ""},
}  # fmt: skip
LINES = tuple(_LINES)
# Parts of the form that have several fields, but change and conflict as one.
_FIELDS_OF_PART = {"time": ("when", "date", "starts", "ends", "zone"), "registration": ("until",)}
_PART_OF_FIELD = {part: name for name, parts in _FIELDS_OF_PART.items() for part in parts}
# Python would accept more formats: dates by week, a date instead of its midnight.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)? ?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def empty_form() -> Typed:
    """Return the values of the form of a new discussion."""
    return {**_LINES, "slug": "", **{name: [] for name in GROUPS}}


def from_stored(stored: Typed) -> Typed:
    """Return a stored draft's values; unknown fields are dropped, and missing ones added."""
    typed = empty_form()
    typed |= {name: stored[name] for name in typed if name in stored}
    for group, blank in GROUPS.items():
        typed[group] = [
            {name: item.get(name, blank[name]) for name in blank} for item in typed[group]
        ]
    return typed


def from_announcement(announcement: Announcement) -> Typed:
    """Return the form's values for an announcement."""
    content, when = asdict(announcement.content), announcement.when
    registration, until = _rule(announcement)
    typed: Typed = {name: content[name] for name in LINES if isinstance(content.get(name), str)}
    typed |= {
        "when": "day" if when.all_day else "span",
        "date": when.starts_local.date().isoformat() if when.all_day else "",
        "starts": "" if when.all_day else _format_local(when.starts_local),
        "ends": "" if when.all_day else _format_local(when.ends_local),
        "zone": when.zone or "",
        "registration": registration,
        "until": until,
        "seats": str(announcement.seats or ""),
        "address_confirmation": _checkbox(content["address_confirmation"]),
        "discreet": _checkbox(content["discreet"]),
        "reminders": ", ".join(content["reminders"]),
    }
    for name in GROUPS:
        typed[name] = content[name]
    for question in typed["questions"]:
        question["options"] = "\n".join(question["options"])
        question["required"] = _checkbox(question["required"])
    return typed


def to_file_values(typed: Typed, slug: str, uid: str | None) -> dict[str, Any]:
    """Return the values of the file that would announce the same.

    Text that cannot be converted stays text: `announce` then reports what it must be.
    """
    lines = ("title", "subtitle", "summary", "description", "language", "zone",
             "join_url", "recording_url", "afterword", "names")  # fmt: skip
    file_values = {"slug": slug, "uid": uid or ""} | {name: typed[name] for name in lines}
    times = ("date",) if typed["when"] == "day" else ("starts", "ends")
    file_values |= {name: _parse_moment(typed[name]) for name in times}
    file_values |= {"seats": _parse_number(typed["seats"]), "registration": _registration(typed)}
    # An empty value is left out.
    file_values = {name: value for name, value in file_values.items() if value != ""}
    if typed["registration"] == "until":
        file_values.setdefault("registration", "")
    # An empty tag is a mistake, not the default.
    file_values["language"] = typed["language"]
    file_values["reminders"] = re.findall(r"[^\s,]+", typed["reminders"])
    for name in ("address_confirmation", "discreet"):
        file_values[name] = typed[name] == "yes"
    for name in GROUPS:
        file_values[name] = [_table(name, item) for item in typed[name]]
    return file_values


def is_empty(group: str, item: dict[str, Any]) -> bool:
    """Whether nothing was typed into an item of a group, apart from preset choices."""
    return not any(item[name] for name in item if not GROUPS[group][name])


def parts(typed: Typed) -> dict[str, Any]:
    """Return the form's values by part: the fields of the time, for example, are one part."""
    by_part: dict[str, Any] = {}
    for name in (*LINES, *GROUPS):
        about = _PART_OF_FIELD.get(name, name)
        if about in _FIELDS_OF_PART:
            by_part[about] = [*by_part.get(about, []), typed[name]]
        else:
            by_part[about] = typed[name]
    return by_part


def copy_part(typed: Typed, other: Typed, about: str) -> None:
    """Copy the fields of one part (see `parts`) from `other` to `typed`."""
    names = [name for name in (*LINES, *GROUPS) if _PART_OF_FIELD.get(name, name) == about]
    typed.update({name: other[name] for name in names})


def digest_parts(typed: Typed) -> dict[str, str]:
    """Return a short digest of each part. A form submits the digests it was opened with."""
    return {
        about: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for about, value in parts(typed).items()
    }


def _table(group: str, item: dict[str, Any]) -> dict[str, Any]:
    file_values = {name: value for name, value in item.items() if value != ""}
    if group == "questions":
        file_values["required"] = item["required"] == "yes"
        file_values["options"] = [line for line in item["options"].splitlines() if line.strip()]
    return file_values


def _registration(typed: Typed) -> Any:
    rule = typed["registration"]
    if rule != "until":
        return "" if rule == "end" else rule
    moment = _parse_moment(typed["until"])
    return moment if isinstance(moment, datetime) else ""


def _rule(announcement: Announcement) -> tuple[str, str]:
    """Return the rule of registration and its time.

    The time is in the discussion's zone, if the clock there shows it only once; else in UTC.
    """
    rule, zone = announcement.content.registration, announcement.when.zone
    if rule in {"end", "open", "closed"}:
        return rule, ""
    at = datetime.fromisoformat(rule)
    if zone and is_zone(zone):
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if instants(local, zone) == [at]:
            return "until", _format_local(local)
    return "until", f"{_format_local(at.replace(tzinfo=None))}Z"


def _parse_moment(text: str) -> Any:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(re.sub(r"(?<=\d) (?=[Z+-])", "", text))
    except ValueError:
        return text
    return text


def _parse_number(text: str) -> Any:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def _format_local(moment: datetime) -> str:
    """Return a time as browsers write it: without seconds if they are zero."""
    text = moment.isoformat()
    return text.removesuffix(":00") if len(text) == len("2026-04-02T17:00:00") else text


def _checkbox(is_set: object) -> str:
    return "yes" if is_set else ""
