"""Every address of the desk: strangers are asked to sign in, and nobody is told what is there."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from registration.models import Role

from ... import builders
from ...desk import PASSWORD, SIGN_IN, Desk, signed_in
from ...machine import on_sqlite
from ...visitor import form_of, forms_of

# Endpoints that need no sign-in.
OPEN = {
    "organizer.sign_in.sign_in",
    "organizer.sign_in.submit_sign_in",
    "organizer.sign_in.without_slash",
}
OPEN |= {"organizer.invitation.invitation", "organizer.invitation.accept_invitation"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


# Arguments of addresses that need nothing to be there.
ANY = {"slug": "water", "public_id": "water", "mailing": "water", "token": "water", "number": 0}


def routes(app, values: Mapping[str, object] = ANY) -> dict[str, tuple[str, set[str]]]:
    """Return path and methods of each address, by endpoint. A new kind of argument needs a value
    in `ANY`, and a real one in `water`."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("organizer."):
            given = {name: values[name] for name in rule.arguments}
            with app.test_request_context():
                path = app.url_map.bind("127.0.0.1").build(rule.endpoint, given)
            found[rule.endpoint] = (path, set(rule.methods))
    return found


@on_sqlite
def test_strangers_are_asked_to_sign_in_on_every_route(app, visitor):
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
def test_every_missing_page_is_the_same_404(app, visitor, path):
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


# Pages of one's own account, open to every role.
OWN = OPEN | {
    "organizer.discussions.overview",
    "organizer.password.password",
    "organizer.password.change_password",
    "organizer.sessions.end",
    "organizer.sessions.end_others",
    "organizer.sessions.overview",
    "organizer.sign_in.sign_out",
    "organizer.sign_in.sign_out_everywhere",
}
# The one thing of a discussion that a partner has.
EXPORT = {"organizer.exports.export", "organizer.exports.submit_export"}
# What people type into the forms of the desk; the pages have the other fields.
TYPED = {
    "again": "lantern otter gravel",
    "code": "123456",
    "content": b64encode(b"name,email\nDina,dina@example.org\n").decode(),
    "email": "new@example.org",
    "groups": "confirmed",
    "name": "Dina",
    "new": "lantern otter gravel",
    "password": PASSWORD,
    "search": "Dina",
    "subject": "News",
    "sure": "yes",
    "text": "Read this.",
    "why": "A strike.",
}


@dataclass(frozen=True)
class Water:
    """A discussion with an attendee, a draft and a mailing: all its addresses by endpoint, the
    forms of its pages by address, and its administrator."""

    administrator: Desk
    paths: dict[str, str]
    methods: dict[str, set[str]]
    forms: dict[str, dict[str, Any]]


@pytest.fixture
def water(app, clock) -> Water:
    for slug in ("water", "rivers"):
        builders.publish(builders.with_questions(f'slug = "{slug}"\nseats = 3'))
    builders.register_and_confirm()
    administrator = signed_in(app, clock)
    mailing = administrator.fill("/organizer/discussions/water/mailings/new", **TYPED)
    administrator.fill("/organizer/discussions/water/edit", title="Whose water?")
    there = {
        "slug": "water",
        "public_id": builders.registration_of().public_id,
        "mailing": mailing.location.rpartition("/")[2],
        "token": "t0ken",
        "number": 0,
    }
    found = {name: it for name, it in routes(app, there).items() if name not in OWN}
    paths = {name: path for name, (path, _methods) in found.items()}
    methods = {name: them for name, (_path, them) in found.items()}
    forms = {}
    for path in [paths[name] for name in paths if "GET" in methods[name]]:
        page = administrator.get(path)
        assert page.status_code in {200, 303}, path
        if page.mimetype == "text/html":
            forms |= {action or path: fields for action, fields in forms_of(page.text)}
    return Water(administrator, paths, methods, forms)


def token_of(desk: Desk) -> dict[str, str]:
    return {"csrf_token": form_of(desk.get("/organizer/").text, "sign-out")[1]["csrf_token"]}


def sent(water: Water, path: str, token: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return a form of each kind for an address, by its kind."""
    right = water.forms.get(path, {}) | TYPED
    return {
        "empty": {},
        "without a token": right | {"csrf_token": ""},
        "with a wrong token": right | {"csrf_token": "wrong"},
        "with the token alone": token,
        "with wrong values": dict.fromkeys(right, "{{ x }}") | token,
        "with long values": dict.fromkeys(right, "x" * 500) | token,
        "as an administrator sends it": right | token,
    }


def told(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return all that an answer tells, but whether the session was read and the browser marked."""
    headers = [item for item in sorted(answer.headers) if item[0] not in {"Vary", "Set-Cookie"}]
    return answer.status_code, answer.data, headers


def assert_nothing_is_there(somebody: Desk, water: Water, paths: dict[str, str]) -> None:
    """Every method and every form gets the same answer at `paths` as at an address of nothing."""
    missing, token = told(somebody.get("/organizer/never")), token_of(somebody)
    assert missing[0] == 404
    before = builders.every_row()
    for name, path in paths.items():
        for method in METHODS:
            assert told(somebody.client.open(path, method=method)) == missing, (method, path)
        for kind, form in sent(water, water.paths[name], token).items():
            answer = told(somebody.client.post(path, data=form))
            assert answer == missing, f"POST {path}, a form {kind}: {answer[0]}"
    assert builders.every_row() == before


@on_sqlite
@pytest.mark.parametrize("role", ["organizer", "partner of another", "partner"])
def test_without_rights_every_form_gets_the_404_of_nothing(app, clock, water, role):
    kind = Role.ORGANIZER if role == "organizer" else Role.PARTNER
    given = "water" if role == "partner" else "rivers"
    partner = "PaperLab" if kind is Role.PARTNER else None
    somebody = signed_in(app, clock, "b@example.org", kind, given, partner=partner)
    own = EXPORT if role == "partner" else set()
    paths = {name: path for name, path in water.paths.items() if name not in own}
    assert len(paths) > 35
    assert_nothing_is_there(somebody, water, paths)


@on_sqlite
def test_nothing_of_another_discussion_is_there_in_ones_own(app, clock, water):
    somebody = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "rivers")
    with_id = {rule.endpoint for rule in app.url_map.iter_rules() if len(rule.arguments) > 1}
    moved = {
        name: path.replace("/water/", "/rivers/")
        for name, path in water.paths.items()
        if name in with_id
    }
    assert len(moved) > 12
    assert_nothing_is_there(somebody, water, moved)


@on_sqlite
def test_the_forms_that_find_nothing_elsewhere_find_something_here(water):
    # What these addresses name is there: a form with a wrong token gets as far as its token.
    for name, path in water.paths.items():
        if "POST" in water.methods[name]:
            answer = water.administrator.client.post(path, data=TYPED | {"csrf_token": "wrong"})
            assert answer.status_code == 422, path
    posted = {path for name, path in water.paths.items() if "POST" in water.methods[name]}
    unseen = posted - water.forms.keys()
    assert {path.rpartition("/")[2] for path in unseen} <= {"retry", "stop", "restore"}
