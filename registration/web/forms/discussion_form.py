"""The form of a discussion: the fields that a browser sends, and its groups without a script.

Fields have the names that mistakes have (`contributors[2].url`), so that each mistake is shown at
its field.
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
from ...text.languages import phrase

_GROUPED = re.compile(rf"({'|'.join(GROUPS)})\[([0-9]{{1,12}})\]\.([a-z]+)")
_ACT = re.compile(rf"(add|remove|up|down) ({'|'.join(GROUPS)})(?:\[([0-9]{{1,4}})\])?")
# So many more items than a discussion may have are read, and the form says that they are too many.
# A page of many more would take too long to write.
_MORE = 10


def sent() -> Typed:
    """Return the fields of the form that was sent; missing ones are empty."""
    form = request.form
    typed: Typed = {name: _text(form, name) for name in (*LINES, "slug")}
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
    return typed | {name: [items[n] for n in sorted(items)] for name, items in numbered.items()}


def opened() -> Opened:
    """Return the version and marks with which the form was opened, from its hidden fields."""
    version, base = request.form.get("version", ""), request.form.get("base", "")
    pairs = (pair.partition("=") for pair in base.split())
    number = int(version) if re.fullmatch("[0-9]{1,9}", version) else -1
    return Opened(number, {about: mark for about, _, mark in pairs})


def add(written: Typed, group: str) -> None:
    """Add an item with the defaults of its group."""
    written[group].append(_blank(group, is_new=True))


def regrouped(written: Typed) -> str:
    """Add, remove or move an item, as the pressed button says; return the name of the group, or an
    empty one for any other button."""
    match = _ACT.fullmatch(request.form.get("do", ""))
    if match is None:
        return ""
    act, group, position = match[1], match[2], int(match[3] or 0) - 1
    items = written[group]
    if act == "add":
        add(written, group)
    elif 0 <= position < len(items):
        item = items.pop(position)
        if act != "remove":
            items.insert(max(0, position - 1) if act == "up" else position + 1, item)
    return group


def tidied(written: Typed) -> Typed:
    """Return what was typed, without empty items of groups."""
    return written | {
        name: [item for item in written[name] if not form_values.is_empty(name, item)]
        for name in GROUPS
    }


def by_field(mistakes: list[Mistake], written: Typed) -> dict[str, str]:
    """Return the sentence of each mistake by the name of its field."""
    wrong = {mistake.key: phrase(mistake.sentence) for mistake in mistakes}
    # A file has one key for both: the rule, or the time until which it is open.
    if written["registration"] == "until" and "registration" in wrong:
        wrong["until"] = wrong.pop("registration")
    return wrong


def size(written: Typed) -> int:
    """Return how many bytes a browser sends for what was typed, without token and marks."""
    pairs = [(name, written[name]) for name in LINES]
    for group in GROUPS:
        for number, item in enumerate(written[group], start=1):
            pairs += [(f"{group}[{number}].{name}", value) for name, value in item.items()]
    lines = [(name, value.replace("\n", "\r\n")) if isinstance(value, str) else (name, value)
             for name, value in pairs]  # fmt: skip
    return len(urlencode(lines, doseq=True))


def _blank(group: str, *, is_new: bool = False) -> dict[str, Any]:
    blank = GROUPS[group]
    # A field that is missing in a form that was sent is empty: defaults are for new items.
    return {
        name: [] if isinstance(value, list) else (value if is_new else "")
        for name, value in blank.items()
    }


def _text(form: MultiDict[str, str], name: str) -> str:
    return form.get(name, "").replace("\r\n", "\n").strip()
