"""A visitor with a browser: cookies, forms read from the page, and time between the two."""

from contextvars import Context
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Browser(FlaskClient):
    """A test client whose requests have an app context each, as on a server.

    Inside the context that a test has open, they would share `g`, and with it a CSRF token.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **kwargs)


class Visitor:
    """A browser that opens pages and sends their forms."""

    def __init__(self, app: Flask, clock: Any) -> None:
        self.client = Browser(app, app.response_class)
        self.clock = clock

    def get(self, path: str, **headers: str) -> TestResponse:
        by_name = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=by_name)

    def fill(self, path: str, action: str | None = None, **fields: Any) -> TestResponse:
        """Open the page at `path`, wait, and send its form with `fields`.

        `action` is the end of the form's action, if the page has several forms.
        """
        page = self.client.get(path)
        target, hidden = form_of(page.text, action)
        self.clock.advance(seconds=10)
        return self.client.post(target or path, data=hidden | fields)

    def press(self, path: str, act: str) -> TestResponse:
        """Open an attendee's page and press the button that posts to `act` below it."""
        return self.fill(path, action=f"/{act}")


def form_of(page: str, action: str | None = None) -> tuple[str, dict[str, str]]:
    """Return action and fields of a page's (POST) form, as a browser would send them."""
    for target, values in forms_of(page):
        if action is None or target.endswith(action):
            return target, values
    raise AssertionError(f"the page has no form {action or ''}")


def forms_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """Return action and fields of each form of a page, as a browser would send them."""
    return [(form.get("action") or "", _values(form)) for form in tree_of(page).iter("form")]


def _values(form: Element) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in form.iter("input"):
        kind = field.get("type")
        if kind in {"checkbox", "radio"} and field.get("checked") is None:
            continue
        if kind == "checkbox" and field.get("name") in values:
            held = values[field.get("name")]
            values[field.get("name")] = [
                *([held] if isinstance(held, str) else held),
                field.get("value") or "",
            ]
        elif kind != "submit" and field.get("name"):
            values[field.get("name")] = field.get("value") or ""
    for field in form.iter("select"):
        options = list(field.iter("option"))
        chosen = [item for item in options if item.get("selected") is not None]
        values[field.get("name")] = (chosen or options)[0].get("value")
    for field in form.iter("textarea"):
        values[field.get("name")] = (field.text or "").removeprefix("\n")
    return values


def tree_of(page: str) -> Element:
    """Return a page as an HTML parser reads it."""
    return html5lib.parse(page, namespaceHTMLElements=False)


def text_of(page: str) -> str:
    """Return the visible text of a page in one line."""
    body = tree_of(page).find("body")
    return " ".join("".join(body.itertext()).split())
