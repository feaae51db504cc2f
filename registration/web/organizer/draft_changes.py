"""The changes of a draft in words: each field before and after, long texts line by line."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import unified_diff
from typing import Any

from ...calendars.description import format_when
from ...discussion_file.form_values import GROUPS, Typed
from ...models import Announcement, Content
from ...text.languages import gettext as _
from ...text.times import format_moment

# A text that is longer, or has several lines, is compared line by line.
LONG = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after. `lines` has those that differ, with their sign (`+`, `-`, or a
    blank for a line beside them); none of a short text."""

    label: str
    before: str
    after: str
    lines: list[tuple[str, str]]


def labels() -> dict[str, str]:
    """Return the fields of a discussion, and of its groups, as the desk names them."""
    return {
        "slug": _("Name in addresses"),
        "title": _("Title"),
        "subtitle": _("Subtitle"),
        "summary": _("Summary"),
        "description": _("Description"),
        "time": _("Time"),
        "date": _("Day"),
        "starts": _("Starts"),
        "ends": _("Ends"),
        "zone": _("Time zone"),
        "language": _("Language"),
        "registration": _("Registration"),
        "until": _("Until when"),
        "seats": _("Seats"),
        "address_confirmation": _("Confirmation of the address"),
        "join_url": _("Link to join"),
        "recording_url": _("Link to the recording"),
        "afterword": _("Afterword"),
        "reminders": _("Reminders"),
        "discreet": _("Discreet letters"),
        "names": _("Names"),
        "contributors": _("Speakers and moderators"),
        "partners": _("Partners"),
        "questions": _("Questions on the form"),
        "sharing": _("Sharing with partners"),
    }


def parts_of_groups() -> dict[str, str]:
    """Return the fields inside groups, as the desk names them."""
    return {
        "role": _("Role"),
        "name": _("Name"),
        "position": _("Position"),
        "organization": _("Organization"),
        "place": _("Place"),
        "url": _("Web address"),
        "biography": _("Biography"),
        "key": _("Key"),
        "label": _("Question"),
        "kind": _("Kind"),
        "options": _("Choices"),
        "required": _("Needs an answer"),
        "why": _("Why it is asked"),
        "partner": _("Partner"),
        "what": _("What is shared"),
    }


def named(key: str) -> str:
    """Return the field of a mistake as the form names it: `contributors[2].url`."""
    group, _bracket, rest = key.partition("[")
    number, _bracket, name = rest.partition("].")
    label = labels().get(group, group)
    return f"{label} {number}: {parts_of_groups().get(name, name)}" if rest else label


def between(before: Announcement, after: Announcement) -> list[Change]:
    """Return what differs, in the order of the form."""
    old, new = _told(before), _told(after)
    return [
        _change(label, old.get(label, ""), new.get(label, ""))
        for label in dict.fromkeys([*new, *old])
        if old.get(label, "") != new.get(label, "")
    ]


def questions_changed(before: Content, after: Content) -> list[str]:
    """Return the keys of questions that are not asked any more, or otherwise."""
    kept = {question.key: (question.kind, question.options) for question in after.questions}
    return [
        question.key
        for question in before.questions
        if kept.get(question.key) != (question.kind, question.options)
    ]


def shown(written: Typed, about: str) -> str:
    """Return what was typed of one thing, as lines to be read."""
    if about in GROUPS:
        named = parts_of_groups()
        return "\n\n".join(_lines(named, item.items()) for item in written[about])
    if about == "time":
        names = ("date", "zone") if written["when"] == "day" else ("starts", "ends", "zone")
        return ", ".join(written[name] for name in names if written[name])
    if about in {"address_confirmation", "discreet"}:
        return _yes_or_no(is_set=written[about])
    if about == "names":
        return name_rules().get(written[about], "")
    if about == "registration":
        rule = written[about]
        return _until(written["until"]) if rule == "until" else _rules().get(rule, "")
    return str(written[about])


def _change(label: str, before: str, after: str) -> Change:
    is_long = max(len(before), len(after)) > LONG or "\n" in before + after
    lines: list[tuple[str, str]] = []
    if is_long:
        found = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
        # The first two name files, and @@ says where in them.
        lines = [(line[0], line[1:]) for line in list(found)[2:] if line[0] != "@"]
    return Change(label, before, after, lines)


def _told(announcement: Announcement) -> dict[str, str]:
    """Return everything that is announced, in words, by its label."""
    content, named = announcement.content, labels()
    values = asdict(content)
    values |= {
        "time": _time(announcement),
        "registration": _registration(content.registration),
        "seats": str(announcement.seats or ""),
        "reminders": ", ".join(content.reminders),
        "address_confirmation": _yes_or_no(is_set=content.address_confirmation),
        "discreet": _yes_or_no(is_set=content.discreet),
        "names": name_rules()[content.names],
    }
    told = {
        label: values[name] for name, label in named.items() if isinstance(values.get(name), str)
    }
    for group in GROUPS:
        told |= _group(named[group], values[group])
    return told


def _group(label: str, items: list[dict[str, Any]]) -> dict[str, str]:
    """Return each item of a group by its name, and their order."""
    told: dict[str, str] = {}
    names: list[str] = []
    named = parts_of_groups()
    for item in items:
        name = str(item.get("name") or item.get("key") or item["partner"])
        # Two may have one name.
        name += f" ({names.count(name) + 1})" if name in names else ""
        names.append(name)
        told[f"{label}: {name}"] = _lines(named, item.items())
    return told | ({_("%(group)s, in order") % {"group": label}: ", ".join(names)} if names else {})


def _lines(named: dict[str, str], item: Iterable[tuple[str, Any]]) -> str:
    said = []
    choices = _choices()
    for name, value in item:
        words = choices.get(name, {})
        values = value if isinstance(value, list) else [value]
        text = ", ".join(words.get(one, str(one)) for one in values)
        if isinstance(value, bool) or name == "required":
            text = _yes_or_no(is_set=True) if value else ""
        if text:
            said.append(f"{named[name]}: {text}")
    return "\n".join(said)


def _choices() -> dict[str, dict[str, str]]:
    """Return the words for the choices that a field inside a group offers, by the field's name."""
    return {
        "role": {"speaker": _("Speaker"), "moderator": _("Moderator")},
        "kind": {
            "line": _("One line"),
            "long": _("Several lines"),
            "choice": _("One of the choices"),
            "choices": _("Any of the choices"),
            "yes": _("A tick"),
        },
        "what": {"name": _("name"), "email": _("e-mail"), "affiliation": _("affiliation")},
    }


def _time(announcement: Announcement) -> str:
    when = announcement.when
    said = format_when(when)
    return f"{said} ({when.zone})" if when.all_day and when.zone else said


def _registration(rule: str) -> str:
    return _rules().get(rule) or _until(format_moment(datetime.fromisoformat(rule)))


def name_rules() -> dict[str, str]:
    """Return the words for each rule about names, the installation's own rule first."""
    return {
        "": _("as this site does it"),
        "required": _("everybody enters one"),
        "optional": _("whoever likes enters one"),
        "none": _("the form does not ask"),
    }


def _rules() -> dict[str, str]:
    return {
        "end": _("until the discussion ends"),
        "open": _("open, and never closes by itself"),
        "closed": _("closed"),
    }


def _until(time: str) -> str:
    return _("until %(time)s") % {"time": time}


def _yes_or_no(*, is_set: object) -> str:
    return _("yes") if is_set else _("no")
