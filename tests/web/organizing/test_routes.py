"""Every address of the desk: strangers are asked to sign in, and nobody is told what is there."""

import pytest

from ... import builders
from ...desk import SIGN_IN
from ...machine import on_sqlite

# What whoever is not signed in may ask for.
OPEN = {"organizing.sign_in", "organizing.submit_sign_in", "organizing.without_slash"}
OPEN |= {"organizing.invitation", "organizing.accept_invitation"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(app) -> dict[str, tuple[str, set[str]]]:
    """Return path and methods of each address, by endpoint."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("organizing."):
            values = dict.fromkeys(rule.arguments, "water")
            with app.test_request_context():
                path = app.url_map.bind("127.0.0.1").build(rule.endpoint, values)
            found[rule.endpoint] = (path, set(rule.methods))
    return found


@on_sqlite
def test_strangers_are_asked_to_sign_in_whatever_they_ask_for(app, visitor):
    builders.publish()
    tried = 0
    found = routes(app)
    is_open = {(path, method) for name in OPEN for path, them in [found[name]] for method in them}
    for path, _methods in found.values():
        for method in METHODS:
            if (path, method) in is_open:
                continue
            answer = visitor.client.open(path, method=method)
            is_asked = answer.status_code == 303 and answer.location.startswith(SIGN_IN)
            assert is_asked or answer.status_code == 404, (method, path, answer.status_code)
            tried += 1
    assert tried > 20


@on_sqlite
@pytest.mark.parametrize("path", ["/organizer/never", "/organizer/discussions", "/organizer/x/y"])
def test_what_is_not_there_is_the_same_404(app, visitor, path):
    missing = visitor.get("/organizer/never")
    assert (missing.status_code, visitor.get(path).data) == (404, missing.data)
    assert visitor.client.put("/organizer/sign-in").data == missing.data


@on_sqlite
def test_no_form_of_the_desk_is_taken_without_its_token(app, visitor):
    builders.publish()
    for path, methods in routes(app).values():
        if "POST" in methods:
            before = builders.every_row()
            assert visitor.client.post(path, data={"email": "a@example.org"}).status_code != 200
            assert builders.every_row() == before
