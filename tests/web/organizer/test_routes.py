"""Every address of the desk: strangers are asked to sign in, and nobody is told what is there."""

import pytest

from registration.models import Role

from ... import builders
from ...desk import SIGN_IN, signed_in
from ...machine import on_sqlite
from ...visitor import form_of

# Endpoints that need no sign-in.
OPEN = {
    "organizer.sign_in.sign_in",
    "organizer.sign_in.submit_sign_in",
    "organizer.sign_in.without_slash",
}
OPEN |= {"organizer.invitation.invitation", "organizer.invitation.accept_invitation"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(app) -> dict[str, tuple[str, set[str]]]:
    """Return path and methods of each address, by endpoint."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("organizer."):
            values = {name: 0 if name == "number" else "water" for name in rule.arguments}
            with app.test_request_context():
                path = app.url_map.bind("127.0.0.1").build(rule.endpoint, values)
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


@on_sqlite
@pytest.mark.parametrize("role", [Role.ORGANIZER, Role.PARTNER])
def test_organizers_find_no_route_of_a_discussion_not_theirs(app, clock, role):
    builders.publish(builders.with_questions())
    builders.publish_first()
    of_water = role is Role.PARTNER
    given = "water" if of_water else "bloody-january"
    partner = "PaperLab" if of_water else None
    somebody = signed_in(app, clock, "b@example.org", role, given, partner=partner)
    missing = somebody.get("/organizer/never")
    assert missing.status_code == 404
    token = {"csrf_token": form_of(somebody.get("/organizer/").text, "sign-out")[1]["csrf_token"]}
    before, tried = builders.every_row(), 0
    found = {path for name, (path, _) in routes(app).items() if name not in OWN}
    for path in sorted(found):
        if of_water and path.endswith("/water/export"):  # the one thing that a partner has
            continue
        for method in METHODS:
            data = token | {"email": "a@example.org", "sure": "yes"} if method != "GET" else None
            answer = somebody.client.open(path, method=method, data=data)
            assert (answer.status_code, answer.data) == (404, missing.data), (method, path)
            tried += 1
    assert tried > 100
    assert builders.every_row() == before
