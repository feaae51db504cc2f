"""The local mailbox: the letters that were kept, for this machine alone."""

import pytest

from registration import create_app
from registration.database import engine

from .. import builders
from ..machine import on_sqlite
from ..visitor import Visitor, text_of

pytestmark = on_sqlite


@pytest.fixture
def key(app) -> str:
    """The key of a kept letter, a confirmation with its invitation."""
    app.config["BOUND_TO_LOOPBACK"] = True
    builders.publish()
    builders.register(name="<b>Айгерим</b>")
    builders.confirm()
    assert builders.deliver() == 1
    folder = app.extensions["settings"].mail.folder
    (path,) = (folder / "new").iterdir()
    return path.name


def test_a_letter_is_shown_as_a_mail_program_would(visitor, key):
    page = visitor.get("/letters/")
    assert f'href="/letters/{key}"' in page.text
    letter = visitor.get(f"/letters/{key}")
    seen = text_of(letter.text)
    assert "You are registered: Who owns the water?" in seen
    assert "aigerim@example.org" in seen
    assert "Hello <b>Айгерим</b>," in seen
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in letter.text
    source = visitor.get(f"/letters/{key}/source")
    assert source.content_type == "text/plain; charset=utf-8"
    assert b"Message-ID: " in source.data
    invitation = visitor.get(f"/letters/{key}/attachments/0")
    assert invitation.data.startswith(b"BEGIN:VCALENDAR")
    assert invitation.headers["Content-Disposition"].startswith("attachment")


def test_the_html_of_a_letter_can_do_nothing_but_be_read(visitor, key):
    html = visitor.get(f"/letters/{key}/html")
    policy = dict(
        part.partition(" ")[::2] for part in html.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert (policy["script-src"], policy["default-src"]) == ("'none'", "'none'")
    assert policy["frame-ancestors"] == "'self'"
    assert "&lt;b&gt;Айгерим" in html.text


def test_nobody_behind_a_proxy_sees_it(visitor, key):
    names = ["X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "X-Forwarded", "Forwarded"]
    for name in names:
        for path in ("/letters/", f"/letters/{key}", f"/letters/{key}/source"):
            assert visitor.get(path, **{name: "127.0.0.1"}).status_code == 404
        assert "/letters/" not in visitor.get("/registrations/sent", **{name: "::1"}).text


def test_only_this_machine_sees_it(visitor, key):
    peers = {"127.0.0.1": 200, "::1": 200, "127.9.9.9": 200, "192.0.2.1": 404, "": 404}
    for peer, status in peers.items():
        answer = visitor.client.get("/letters/", environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == status


def test_it_is_closed_where_the_server_is_bound_to_more_than_loopback(app, visitor, key):
    assert "/letters/" in visitor.get("/registrations/sent").text
    for bound in (False, None):
        app.config["BOUND_TO_LOOPBACK"] = bound
        assert visitor.get("/letters/").status_code == 404
        assert visitor.get(f"/letters/{key}").status_code == 404
        assert "/letters/" not in visitor.get("/registrations/sent").text


def test_it_is_closed_where_letters_are_sent(instance, clock, key):
    app = create_app(instance | {"MAIL_URL": "smtp://127.0.0.1:1025"}, clock=clock)
    app.config["BOUND_TO_LOOPBACK"] = True
    visitor = Visitor(app, clock)
    assert visitor.get("/letters/").status_code == 404
    assert visitor.get(f"/letters/{key}").status_code == 404
    with app.app_context():
        engine().dispose()


def test_a_strange_key_finds_nothing(visitor, key):
    strange = ["x", "..", "%2e%2e", "new", "%00", "%FF", "..%2F..%2Fsettings.toml", "x" * 5000, "*"]
    for name in strange:
        for path in ("", "/html", "/source", "/attachments/0"):
            assert visitor.get(f"/letters/{name}{path}").status_code == 404


def test_a_strange_attachment_finds_nothing(visitor, key):
    for number in ("1", "-1", "x", "999999999999999999999"):
        assert visitor.get(f"/letters/{key}/attachments/{number}").status_code == 404


def test_an_empty_mailbox_says_so(app, visitor):
    app.config["BOUND_TO_LOOPBACK"] = True
    assert "No letter yet." in text_of(visitor.get("/letters/").text)
