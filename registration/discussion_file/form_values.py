"""What somebody types into the browser's form: as the values that a file would have, and back.

Typed is text throughout, whether it is right or not: a field's is a string, a tick "yes" or
nothing, `what` of sharing a list of ticks, and a group such as contributors a list of such tables.
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

# Each line of the form, with what it holds for a new discussion.
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
# What is one thing to whoever changes it, though it has several fields.
_TOGETHER = {"time": ("when", "date", "starts", "ends", "zone"), "registration": ("until",)}
_TAKEN_BY = {part: name for name, parts in _TOGETHER.items() for part in parts}
# Python would take more: a week's date, a day for its midnight.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)? ?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def nothing() -> Typed:
    """Return what stands in the form of a new discussion."""
    return {**_LINES, "slug": "", **{name: [] for name in GROUPS}}


def known(stored: Typed) -> Typed:
    """Return what a draft holds, as far as this form has it; what it lacks is as in a new one."""
    found = nothing()
    found |= {name: stored[name] for name in found if name in stored}
    for group, blank in GROUPS.items():
        found[group] = [
            {name: item.get(name, blank[name]) for name in blank} for item in found[group]
        ]
    return found


def of(announcement: Announcement) -> Typed:
    """Return what one would type to announce this."""
    content, when = asdict(announcement.content), announcement.when
    registration, until = _rule(announcement)
    typed: Typed = {name: content[name] for name in LINES if isinstance(content.get(name), str)}
    typed |= {
        "when": "day" if when.all_day else "span",
        "date": when.starts_local.date().isoformat() if when.all_day else "",
        "starts": "" if when.all_day else _local(when.starts_local),
        "ends": "" if when.all_day else _local(when.ends_local),
        "zone": when.zone or "",
        "registration": registration,
        "until": until,
        "seats": str(announcement.seats or ""),
        "address_confirmation": _tick(content["address_confirmation"]),
        "discreet": _tick(content["discreet"]),
        "reminders": ", ".join(content["reminders"]),
    }
    for name in GROUPS:
        typed[name] = content[name]
    for question in typed["questions"]:
        question["options"] = "\n".join(question["options"])
        question["required"] = _tick(question["required"])
    return typed


def values(typed: Typed, slug: str, uid: str | None) -> dict[str, Any]:
    """Return the values that a file would have which says what was typed.

    What is of no right shape stays text: reading it tells what it must be.
    """
    lines = ("title", "subtitle", "summary", "description", "language", "zone",
             "join_url", "recording_url", "afterword")  # fmt: skip
    found = {"slug": slug, "uid": uid or ""} | {name: typed[name] for name in lines}
    times = ("date",) if typed["when"] == "day" else ("starts", "ends")
    found |= {name: _moment(typed[name]) for name in times}
    found |= {"seats": _number(typed["seats"]), "registration": _registration(typed)}
    # An empty one is as if it were not there.
    found = {name: value for name, value in found.items() if value != ""}
    if typed["registration"] == "until":
        found.setdefault("registration", "")
    # An empty tag is a mistake, not the default.
    found["language"] = typed["language"]
    found["reminders"] = re.findall(r"[^\s,]+", typed["reminders"])
    for name in ("address_confirmation", "discreet"):
        found[name] = typed[name] == "yes"
    for name in GROUPS:
        found[name] = [_table(name, item) for item in typed[name]]
    return found


def is_empty(group: str, item: dict[str, Any]) -> bool:
    """Whether nothing was typed into an item of a group; what is only chosen counts for nothing."""
    return not any(item[name] for name in item if not GROUPS[group][name])


def parts(typed: Typed) -> dict[str, Any]:
    """Return what was typed by what it is about: the fields of the time are one."""
    found: dict[str, Any] = {}
    for name in (*LINES, *GROUPS):
        about = _TAKEN_BY.get(name, name)
        found[about] = [*found.get(about, []), typed[name]] if about in _TOGETHER else typed[name]
    return found


def take(typed: Typed, other: Typed, about: str) -> None:
    """Write into `typed` what the other says about something of `parts`."""
    names = [name for name in (*LINES, *GROUPS) if _TAKEN_BY.get(name, name) == about]
    typed.update({name: other[name] for name in names})


def marks(typed: Typed) -> dict[str, str]:
    """Return a short digest of each of `parts`: by them a form tells what it was opened with."""
    return {
        about: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for about, value in parts(typed).items()
    }


def _table(group: str, item: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in item.items() if value != ""}
    if group == "questions":
        found["required"] = item["required"] == "yes"
        found["options"] = [line for line in item["options"].splitlines() if line.strip()]
    return found


def _registration(typed: Typed) -> Any:
    rule = typed["registration"]
    if rule != "until":
        return "" if rule == "end" else rule
    moment = _moment(typed["until"])
    return moment if isinstance(moment, datetime) else ""


def _rule(announcement: Announcement) -> tuple[str, str]:
    """Return which rule registration follows, and until when: by the discussion's own clock, where
    that shows the moment once."""
    rule, zone = announcement.content.registration, announcement.when.zone
    if rule in {"end", "open", "closed"}:
        return rule, ""
    at = datetime.fromisoformat(rule)
    if zone and is_zone(zone):
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if instants(local, zone) == [at]:
            return "until", _local(local)
    return "until", f"{_local(at.replace(tzinfo=None))}Z"


def _moment(text: str) -> Any:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(re.sub(r"(?<=\d) (?=[Z+-])", "", text))
    except ValueError:
        return text
    return text


def _number(text: str) -> Any:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else text


def _local(moment: datetime) -> str:
    """Return a time as a browser writes it: without seconds, where there are none."""
    text = moment.isoformat()
    return text.removesuffix(":00") if len(text) == len("2026-04-02T17:00:00") else text


def _tick(is_set: object) -> str:
    return "yes" if is_set else ""
