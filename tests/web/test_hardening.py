"""The service believes no foreign host, address or next page; the onion service, and the contact
for reports of a weakness."""

import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, request, request_finished
from werkzeug.test import TestResponse

from .. import builders
from ..machine import on_sqlite
from ..visitor import Browser, Visitor, form_of, tree_of

pytestmark = on_sqlite

SITE = "https://events.example.org"
ONION = "http://" + "a2" * 28 + ".onion"
PUBLIC = [
    "/",
    "/discussions/water",
    "/discussions/water/register",
    "/privacy",
    "/registrations/find",
]
ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "/\tevil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "/registrations/find",
]


@pytest.fixture
def make(app_with) -> Callable[..., Flask]:
    """Make the service with other settings, one discussion published."""

    def make(**settings: Any) -> Flask:
        app = app_with(**settings)
        with app.app_context():
            builders.publish(builders.file('registration = "open"'))
        return app

    return make


class BrowserAt(Browser):
    """A browser in which every address lies under one root."""

    root = ""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **({"base_url": self.root} | kwargs))


class At(Visitor):
    """A visitor who asks for the site under one root."""

    def __init__(self, app: Flask, clock: Any, root: str) -> None:
        super().__init__(app, clock)
        self.client = BrowserAt(app, app.response_class)
        self.client.root = root


def registered(app: Flask, somebody: Visitor) -> str:
    """Register by the form, confirm by the letter's link, and return the link."""
    done = somebody.fill("/discussions/water/register", name="A", email="a@example.org")
    assert (done.status_code, done.headers["Location"]) == (303, "/discussions/water/registered")
    with app.app_context():
        builders.deliver()
        text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    (link,) = {word for word in text.split() if "/registrations/" in word}
    path = urlsplit(link).path
    assert somebody.press(path, "confirm").status_code == 303
    assert "You are registered" in somebody.get(path).text
    return link


def cookie(answer) -> str:
    (found,) = answer.headers.getlist("Set-Cookie")
    return found


# The onion service beside PUBLIC_URL.


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_offer_the_onion_service_on_https(make, clock, path):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    offered = At(app, clock, SITE).get(f"{path}?x=1").headers
    assert offered["Onion-Location"] == ONION + path
    plain = At(app, clock, SITE.replace("https", "http")).get(path).headers
    assert "Onion-Location" not in plain
    assert "Onion-Location" not in At(app, clock, ONION).get(path).headers


def test_personal_pages_and_files_offer_no_onion_service(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    with app.app_context():
        person = builders.register_and_confirm()
    for path in (
        f"/registrations/{person.token}",
        f"/registrations/{person.token}.json",
        f"/registrations/calendar/{person.calendar_token}.ics",
        f"/registrations/{person.token}x",
        f"/registration/{person.token}",
        "/registrations/erased",
        "/discussions.ics",
        "/discussions/water.ics",
        "/robots.txt",
        "/health",
        "/static/styles.css",
    ):
        with At(app, clock, SITE).get(path) as answer:
            assert "Onion-Location" not in answer.headers


def test_without_an_onion_service_none_is_offered(make, clock):
    app = make(PUBLIC_URL=SITE)
    assert "Onion-Location" not in At(app, clock, SITE).get("/").headers
    assert At(app, clock, ONION).get("/").status_code == 400


def test_another_onion_service_is_refused(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    for other in (
        ONION.replace("a2", "b3"),
        ONION.replace("://", "://x."),
        f"{ONION}.evil.example",
    ):
        assert At(app, clock, other).get("/").status_code == 400


def test_somebody_registers_over_the_onion_service(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    somebody = At(app, clock, ONION)
    page = somebody.get("/discussions/water/register")
    # Browsers take no Secure cookie over http, and Tor stands in for https here.
    assert cookie(page).startswith("session=")
    assert {part.strip() for part in cookie(page).split(";")[1:]} == {
        "HttpOnly",
        "Path=/",
        "SameSite=Lax",
    }
    assert "Strict-Transport-Security" not in page.headers
    # Links that are handed out are those of PUBLIC_URL.
    assert registered(app, somebody).startswith(f"{SITE}/registrations/")


def test_links_followed_in_tor_stay_in_tor(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    for path in PUBLIC:
        tree = tree_of(At(app, clock, ONION).get(path).text)
        links = [link.get("href") for link in tree.iter("a")]
        links += [form.get("action") or "" for form in tree.iter("form")]
        outside = {link for link in links if urlsplit(link).scheme not in {"", "mailto"}}
        # The feed is for calendar programs; the calendar services are told to be elsewhere.
        assert all(
            link.startswith(("webcal://events.example.org/", "https://calendar.google.com/",
                             "https://outlook.live.com/"))
            for link in outside
        )  # fmt: skip


def test_the_cookie_on_https_is_for_this_host_and_https_alone(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    somebody = At(app, clock, SITE)
    page = somebody.get("/discussions/water/register")
    assert cookie(page).startswith("__Host-session=")
    assert {part.strip() for part in cookie(page).split(";")[1:]} == {
        "Secure",
        "HttpOnly",
        "Path=/",
        "SameSite=Lax",
    }
    assert registered(app, somebody).startswith(f"{SITE}/registrations/")


def test_the_session_is_signed_with_sha_256(make, clock):
    given = cookie(At(make(PUBLIC_URL=SITE), clock, SITE).get("/discussions/water/register"))
    assert len(given.split(";")[0].rpartition(".")[2]) == 43  # 32 bytes; SHA-1 has 20


def test_a_cookie_of_one_host_is_none_at_the_other(make, clock):
    app = make(PUBLIC_URL=SITE, ONION_URL=ONION)
    given = cookie(At(app, clock, ONION).get("/registrations/find")).split(";")[0]
    answer = At(app, clock, SITE).get("/registrations/find", Cookie=given)
    assert cookie(answer).startswith("__Host-session=")


def test_an_installation_that_is_an_onion_service_works_whole(make, clock):
    app = make(PUBLIC_URL=ONION)
    somebody = At(app, clock, ONION)
    assert "Secure" not in cookie(somebody.get("/registrations/find"))
    assert registered(app, somebody).startswith(f"{ONION}/registrations/")
    page = somebody.get("/discussions/water")
    assert f'<link rel="canonical" href="{ONION}/discussions/water">' in page.text
    assert not {"Strict-Transport-Security", "Onion-Location"} & set(page.headers.keys())


# Hosts, proxies, and where to go next.


@pytest.mark.parametrize(
    ("root", "host"),
    [
        (SITE, "events.example.org"),
        (SITE, "EVENTS.example.org:443"),
        (SITE, "events.example.org:8443"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://127.0.0.1:8000", "[::1]:8000"),
    ],
)
def test_the_site_is_known_by_its_own_name(make, clock, root, host):
    assert Visitor(make(PUBLIC_URL=root), clock).get("/", Host=host).status_code == 200


OTHERS = [
    "127.0.0.1:8000",
    "localhost",
    "[::1]",
    "evil.example",
    "events.example.org.evil.example",
    "xevents.example.org",
    "events.example.org.",
    "events.example.org@evil.example",
    "events.example.org:x",
    "events.example.org:99999",
    "events.example.org, evil.example",
    "[events.example.org]",
    "[[::1]]",
    "::1",
    "",
]


def test_a_public_site_has_no_other_name(make, clock):
    somebody = Visitor(make(PUBLIC_URL=SITE), clock)
    for host in OTHERS:
        for path in ("/", "/registrations/find", "/static/styles.css", "/nothing"):
            answer = somebody.get(path, Host=host)
            assert (answer.status_code, answer.text) == (400, "This site has another address.")


FORWARDED = {
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_For": "198.51.100.7",
    "X_Forwarded_Port": "8443",
    "X_Forwarded_Prefix": "/evil",
    "Forwarded": "for=198.51.100.7;host=evil.example;proto=https",
}


def test_proxy_headers_are_ignored_without_a_proxy(make, clock):
    app = make(PUBLIC_URL=SITE)
    with seen_by(app) as seen:
        plain = At(app, clock, "http://events.example.org").get("/discussions/water")
        told = At(app, clock, "http://events.example.org").get("/discussions/water", **FORWARDED)
    assert told.data == plain.data
    assert dict(told.headers) == dict(plain.headers)
    assert seen == [("127.0.0.1", "http", "events.example.org", "")] * 2


def test_trusted_proxies_name_client_and_scheme_and_nothing_else(make, clock):
    app = make(PUBLIC_URL=SITE, TRUSTED_PROXIES=1)
    chain = FORWARDED | {"X_Forwarded_For": "203.0.113.1, 198.51.100.7"}
    with seen_by(app) as seen:
        answer = At(app, clock, "http://events.example.org").get("/discussions/water", **chain)
    assert seen == [("198.51.100.7", "https", "events.example.org", "")]
    assert "evil" not in answer.text + str(answer.headers)


@contextmanager
def seen_by(app: Flask) -> Iterator[list[tuple[str | None, str, str, str]]]:
    """Keep who the client is, and by which address, as the app takes it for each request."""
    seen: list[tuple[str | None, str, str, str]] = []
    with request_finished.connected_to(lambda *_args, **_rest: seen.append(view()), app):
        yield seen


def view() -> tuple[str | None, str, str, str]:
    return request.remote_addr, request.scheme, request.host, request.root_path.rstrip("/")


@pytest.mark.parametrize("name", ["next", "return_to"])
def test_no_parameter_says_where_to_go_next(make, clock, name):
    somebody = Visitor(make(), clock)
    _action, hidden = form_of(somebody.get("/registrations/find").text)
    clock.advance(seconds=10)
    for place in ELSEWHERE:
        asked = {name: place}
        for path in ("/", "/registrations/find", "/registrations/sent"):
            answer = somebody.client.get(path, query_string=asked)
            assert answer.status_code == 200
            assert "evil" not in answer.text + str(answer.headers)
        fields = hidden | {"email": "a@example.org"} | asked
        answer = somebody.client.post("/registrations/find", data=fields, query_string=asked)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/registrations/sent")


@pytest.mark.parametrize("path", ["/discussions//water", "/static//styles.css", "/privacy//"])
def test_a_path_with_more_slashes_leads_nowhere(make, clock, path):
    answer = Visitor(make(), clock).get(path)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


# security.txt


def test_security_txt_tells_where_to_report_a_weakness(make, clock):
    answer = At(make(PUBLIC_URL=SITE), clock, SITE).get("/.well-known/security.txt")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert answer.text == (
        "Contact: mailto:hosts@example.org\n"
        "Expires: 2027-02-01T00:00:00+00:00\n"
        "Preferred-Languages: en\n"
        "Canonical: https://events.example.org/.well-known/security.txt\n"
    )


def test_security_txt_changes_monthly_and_expires_in_nine_to_twelve_months(make, clock):
    somebody = Visitor(make(), clock)
    before, began = "", clock.now
    while clock.now - began < timedelta(days=800):
        text = somebody.get("/.well-known/security.txt").text
        expires = datetime.fromisoformat(text.split("Expires: ")[1].split("\n")[0])
        assert timedelta(days=270) < expires - clock.now < timedelta(days=365)
        assert (text == before) == (clock.now.day > 5)
        before = text
        clock.advance(days=5)


def test_security_txt_names_no_address_that_is_not_https(make, clock):
    assert "Canonical" not in Visitor(make(), clock).get("/.well-known/security.txt").text


def test_a_contact_with_unusual_letters_is_still_an_address(make, clock):
    app = make(CONTACT="our+group/a%b?c@example.org")
    text = Visitor(app, clock).get("/.well-known/security.txt").text
    assert text.startswith("Contact: mailto:our%2Bgroup%2Fa%25b%3Fc@example.org\n")


def test_without_a_contact_there_is_no_security_txt(make, clock):
    somebody = Visitor(make(CONTACT=None), clock)
    answer = somebody.get("/.well-known/security.txt")
    assert (answer.status_code, answer.data) == (404, somebody.get("/nothing").data)


def test_time_zones_are_the_pinned_ones_and_not_the_machines(app):
    assert zoneinfo.TZPATH == ()
