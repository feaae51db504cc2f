"""The CSRF token: no view is called without it, unless the view says that it looks itself."""

import pytest

from registration import create_app, database

from ..machine import on_sqlite
from ..visitor import Visitor, form_of

pytestmark = on_sqlite


@pytest.fixture
def pressed(instance, clock):
    """A service with one more view, which says nothing of its token; and its calls."""
    app = create_app(instance, clock=clock)
    calls: list[str] = []

    def press() -> str:
        calls.append("pressed")
        return "done"

    app.add_url_rule("/press", view_func=press, methods=["POST"])
    with app.app_context():
        yield Visitor(app, clock), calls
        database.engine().dispose()


def test_a_view_is_not_called_without_a_token(pressed):
    visitor, calls = pressed
    for data in ({}, {"csrf_token": "x"}, {"csrf_token": token(visitor) + "x"}):
        assert visitor.client.post("/press", data=data).status_code == 400
    assert calls == []


def test_a_view_is_called_with_a_token(pressed):
    visitor, calls = pressed
    data = {"csrf_token": token(visitor)}
    assert visitor.client.post("/press", data=data).text == "done"
    assert calls == ["pressed"]


def token(visitor: Visitor) -> str:
    return form_of(visitor.get("/registrations/find").text)[1]["csrf_token"]
