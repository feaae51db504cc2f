"""Discussion files written from announcements; parsing one gives the same announcement."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import tomli_w

from ..models import Announcement, Content, When

_ARRAYS = ("contributors", "partners", "questions", "sharing")


def write(announcement: Announcement) -> str:
    """Return the discussion file (TOML) of an announcement, its keys in the usual order."""
    content = announcement.content
    top = {
        "slug": announcement.slug,
        "uid": announcement.uid or "",
        "title": content.title,
        "subtitle": content.subtitle,
        "summary": content.summary,
        "description": content.description,
        **_time(announcement.when),
        "language": content.language,
        "registration": _registration(content),
        "seats": announcement.seats or "",
        "address_confirmation": content.address_confirmation,
        "join_url": content.join_url,
        "recording_url": content.recording_url,
        "afterword": content.afterword,
        "reminders": content.reminders,
        "discreet": content.discreet,
        "names": content.names,
    }
    parts = [_table(top, "reminders")]
    # One table at a time: the library would write short arrays of tables into one line.
    for name in _ARRAYS:
        items = getattr(content, name)
        parts += [f"[[{name}]]\n{_table(asdict(item))}" for item in items]
    return "\n".join(parts)


def _table(values: dict[str, Any], *always: str) -> str:
    """Return a table as TOML, without empty values except those of the keys in `always`."""
    stated = {key: item for key, item in values.items() if key in always or item not in ("", [])}
    return tomli_w.dumps(stated, multiline_strings=True)


def _time(when: When) -> dict[str, Any]:
    zone = {"zone": when.zone or ""}
    if when.all_day:
        return {"date": when.starts_local.date()} | zone
    return {"starts": when.starts_local, "ends": when.ends_local} | zone


def _registration(content: Content) -> str | datetime:
    rule = content.registration
    if rule == "end":
        return ""  # the default, which is left out
    return rule if rule in {"open", "closed"} else datetime.fromisoformat(rule)
