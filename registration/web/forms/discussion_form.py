"""The form of a discussion: what a browser sends of it, and its groups without a script.

Fields are named as mistakes name them (`contributors[2].url`), so that each is told at its place.
"""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import abort, request
from werkzeug.datastructures import MultiDict

from ...discussion_file import MAX_TABLES, form_values
from ...discussion_file.form_values import GROUPS, LINES, Typed
from ...discussion_file.table import Mistake
from ...services.drafts.conflicts import Opened

_GROUPED = re.compile(rf"({'|'.join(GROUPS)})\[([0-9]{{1,12}})\]\.([a-z]+)")
_ACT = re.compile(rf"(add|remove|up|down) ({'|'.join(GROUPS)})(?:\[([0-9]{{1,4}})\])?")
# Some more than a discussion may have, so that who adds one too many is told so, and loses nothing;
# a page of many more would take longer to write than anybody waits.
_MORE = 10


def sent() -> Typed:
    """Return what stands in the form that was sent; what is missing is empty."""
    form = request.form
    found: Typed = {name: _text(form, name) for name in (*LINES, "slug")}
    numbered: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in GROUPS}
    for key in form:
        if match := _GROUPED.fullmatch(key):
            group, number, name = match[1], int(match[2]), match[3]
            if name in GROUPS[group]:
                item = numbered[group].setdefault(number, _blank(group))
                is_list = isinstance(item[name], list)
                item[name] = form.getlist(key) if is_list else _text(form, key)
    if any(len(items) > MAX_TABLES[name] + _MORE for name, items in numbered.items()):
        abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return found | {name: [items[n] for n in sorted(items)] for name, items in numbered.items()}


def opened() -> Opened:
    """Return what the form was opened with, as it says itself."""
    version, base = request.form.get("version", ""), request.form.get("base", "")
    pairs = (pair.partition("=") for pair in base.split())
    number = int(version) if re.fullmatch("[0-9]{1,9}", version) else -1
    return Opened(number, {about: mark for about, _, mark in pairs})


def add(written: Typed, group: str) -> None:
    """Add an item to a group, as a new one is offered."""
    written[group].append(_blank(group, is_new=True))


def regrouped(written: Typed) -> str:
    """Add, remove or move what the button that was pressed says; return the group, or nothing if
    it was another button."""
    match = _ACT.fullmatch(request.form.get("do", ""))
    if match is None:
        return ""
    act, group, place = match[1], match[2], int(match[3] or 0) - 1
    items = written[group]
    if act == "add":
        add(written, group)
    elif 0 <= place < len(items):
        item = items.pop(place)
        if act != "remove":
            items.insert(max(0, place - 1) if act == "up" else place + 1, item)
    return group


def tidied(written: Typed) -> Typed:
    """Return what was typed without the groups in which nothing was."""
    return written | {
        name: [item for item in written[name] if not form_values.is_empty(name, item)]
        for name in GROUPS
    }


def by_field(mistakes: list[Mistake], written: Typed) -> dict[str, str]:
    """Return what is wrong by the name of its field."""
    wrong = {mistake.key: mistake.sentence for mistake in mistakes}
    # A file has one key for both: the rule, or until when.
    if written["registration"] == "until" and "registration" in wrong:
        wrong["until"] = wrong.pop("registration")
    return wrong


def size(written: Typed) -> int:
    """Return how many bytes a browser sends for what was typed, beside the token and its like."""
    pairs = [(name, written[name]) for name in LINES]
    for group in GROUPS:
        for number, item in enumerate(written[group], start=1):
            pairs += [(f"{group}[{number}].{name}", value) for name, value in item.items()]
    lines = [(name, value.replace("\n", "\r\n")) if isinstance(value, str) else (name, value)
             for name, value in pairs]  # fmt: skip
    return len(urlencode(lines, doseq=True))


def _blank(group: str, *, is_new: bool = False) -> dict[str, Any]:
    blank = GROUPS[group]
    # What is missing of a form that was sent is empty, whatever a new one would offer.
    return {
        name: [] if isinstance(value, list) else (value if is_new else "")
        for name, value in blank.items()
    }


def _text(form: MultiDict[str, str], name: str) -> str:
    return form.get(name, "").replace("\r\n", "\n").strip()
