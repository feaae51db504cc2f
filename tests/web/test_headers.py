"""What every answer says of itself: nothing foreign, nothing inline, nothing private kept."""

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from registration import create_app, database
from registration.web import headers

from .. import builders
from ..machine import on_sqlite
from ..visitor import tree_of

pytestmark = on_sqlite

PRIVATE = {
    "/discussions/water/register": 200,
    "/discussions/water/registered": 200,
    "/registrations/find": 200,
    "/registrations/sent": 200,
    "/registrations/wrong": 404,
    "/registrations/calendar/wrong.ics": 404,
    "/nowhere": 404,
    "/discussions/wine": 404,
    "/discussions/wine.ics": 404,
}
KINDS = {
    "application/json",
    "image/svg+xml",
    "text/calendar",
    "text/css",
    "text/html",
    "text/javascript",
    "text/plain",
}
PUBLIC = ["/", "/discussions/water", "/discussions.ics", "/discussions/water.ics", "/privacy"]


@pytest.fixture
def secure(instance, clock):
    """The same installation behind https, with one proxy that is believed."""
    app = create_app(
        instance | {"PUBLIC_URL": "https://events.example.org", "TRUSTED_PROXIES": 1}, clock=clock
    )
    with app.app_context():
        yield app.test_client()
        database.engine().dispose()


def test_every_answer_forbids_what_a_page_here_never_needs(app, visitor):
    builders.publish()
    for path in [*PUBLIC, *PRIVATE]:
        answer = visitor.get(path)
        stated = answer.headers["Content-Security-Policy"].split("; ")
        assert dict(item.split(" ", 1) for item in stated) == {
            "default-src": "'none'",
            "style-src": "'self'",
            "script-src": "'self'",
            "img-src": "'self'",
            "frame-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_no_other_site_gets_an_answer_into_a_page_of_its_own(app, visitor):
    builders.publish()
    everywhere = [*PUBLIC, *PRIVATE, "/health", "/robots.txt", "/organizer/", "/static/icon.svg"]
    for path in [*everywhere, "/static/nothing.js"]:
        with visitor.get(path) as answer:
            assert answer.headers.getlist("Cross-Origin-Resource-Policy") == ["same-origin"], path
            assert answer.headers.getlist("Cross-Origin-Opener-Policy") == ["same-origin"], path
    refused = visitor.client.post("/registrations/find", data={"email": "x" * 600_000})
    assert refused.status_code == 413
    assert refused.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_styles_alone_are_for_sandboxes_too(app, visitor):
    address = visitor.get("/").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    with visitor.get(address) as answer:
        assert answer.headers.getlist("Cross-Origin-Resource-Policy") == ["cross-origin"]
        etag = answer.headers["ETag"]
    with visitor.get(address, If_None_Match=etag) as again:
        assert again.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_pages_deny_every_feature_by_one_short_header(app, visitor):
    builders.publish()
    for path in ("/", "/discussions/water", "/registrations/find", "/organizer/sign-in", "/x"):
        (stated,) = visitor.get(path).headers.getlist("Permissions-Policy")
        features = stated.split(", ")
        assert {item.partition("=")[2] for item in features} == {"()"}
        assert len(set(features)) == len(features) > 50
        assert {"camera=()", "geolocation=()", "microphone=()"} < set(features)
        assert len(stated) < 1300
    for path in ("/discussions.ics", "/health", "/static/icon.svg"):
        with visitor.get(path) as answer:
            assert "Permissions-Policy" not in answer.headers


def test_every_answer_says_what_it_is_and_in_which_encoding(app, visitor):
    builders.publish()
    person = builders.register_and_confirm()
    own = [f"/registrations/{person.token}{end}" for end in ("", ".json", "/cancellation.ics")]
    files = ["/health", "/metrics", "/robots.txt", "/static/icon.svg", "/static/reader-time.js"]
    for path in [*PUBLIC, *PRIVATE, *own, *files, "/static/styles.css"]:
        with visitor.get(path) as answer:
            assert answer.mimetype in KINDS, path
            # JSON has no parameter for it: it is always UTF-8 (RFC 8259, 8.1).
            is_json = answer.mimetype == "application/json"
            assert is_json or answer.mimetype_params["charset"] == "utf-8", path


def test_private_pages_are_cached_by_nobody(app, visitor):
    builders.publish()
    for path, status in PRIVATE.items():
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store")


def test_an_attendees_page_is_kept_by_nobody(app, visitor):
    builders.publish()
    person = builders.register_and_confirm()
    for path in (person.token, f"{person.token}.json", f"{person.token}/cancellation.ics"):
        answer = visitor.get(f"/registrations/{path}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_a_refused_form_is_kept_by_nobody(app, visitor):
    builders.publish()
    answer = visitor.fill("/discussions/water/register", email="nobody")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (422, "no-store")


def test_only_https_is_promised_to_stay_https(app, secure):
    answer = secure.get("/", base_url="https://events.example.org")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    behind = secure.get("/", base_url="http://events.example.org", headers={
        "X-Forwarded-Proto": "https"})  # fmt: skip
    assert behind.headers["Strict-Transport-Security"] == "max-age=31536000"
    plain = secure.get("/", base_url="http://events.example.org")
    assert "Strict-Transport-Security" not in plain.headers


def test_a_proxy_that_is_not_configured_is_not_believed(app, visitor):
    answer = visitor.get("/", X_Forwarded_Proto="https", X_Forwarded_Host="evil.example")
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers
    assert "evil.example" not in answer.text


def test_links_come_from_the_settings_and_never_from_the_request(app, secure):
    builders.publish()
    page = secure.get("/discussions/water", base_url="https://events.example.org:8443").text
    assert '<link rel="canonical" href="https://events.example.org/discussions/water">' in page
    assert "8443" not in page


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000"])
@pytest.mark.parametrize("path", ["/", "/discussions.ics", "/registrations/find"])
def test_a_request_for_another_site_is_refused(app, visitor, host, path):
    answer = visitor.get(path, Host=host)
    assert answer.status_code == 400
    assert "evil.example" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:5000"])
def test_this_machine_is_known_by_its_names(app, visitor, host):
    assert visitor.get("/", Host=host).status_code == 200


@pytest.mark.parametrize("path", ["/", "/discussions/water", "/registrations/find"])
def test_pages_hold_nothing_inline_and_ask_no_other_host(app, visitor, path):
    builders.publish()
    tree = tree_of(visitor.get(path).text)
    for element in tree.iter():
        inline = {name for name in element.attrib if name == "style" or name.startswith("on")}
        assert not inline
        assert element.tag not in {"style", "iframe", "object", "embed"}
    loaded = [script.get("src") for script in tree.iter("script") if script.get("src")]
    loaded += [image.get("src") for image in tree.iter("img")]
    loaded += [link.get("href") for link in tree.iter("link") if link.get("rel") == "stylesheet"]
    assert loaded
    assert all(address.startswith("/static/") for address in loaded)
    for script in tree.iter("script"):
        assert script.get("src") or script.get("type") == "application/ld+json"


def test_assets_are_kept_for_a_year_under_addresses_of_their_content(app, visitor):
    builders.publish()
    tree = tree_of(visitor.get("/discussions/water").text)
    addresses = [link.get("href") for link in tree.iter("link")
                 if link.get("rel") in {"stylesheet", "icon"}]  # fmt: skip
    addresses += [script.get("src") for script in tree.iter("script") if script.get("src")]
    assert {urlsplit(address).path for address in addresses} == {
        "/static/icon.svg",
        "/static/styles.css",
        "/static/reader-time.js",
    }
    for address in addresses:
        with visitor.get(address) as answer:
            assert answer.status_code == 200
            assert answer.cache_control.public
            assert answer.cache_control.max_age == 365 * 24 * 60 * 60
            version = parse_qs(urlsplit(address).query)["v"]
            assert version == [hashlib.sha256(answer.data).hexdigest()[:12]]
            assert "Set-Cookie" not in answer.headers
            etag = answer.headers["ETag"]
        with visitor.get(address, If_None_Match=etag) as again:
            assert again.status_code == 304


def test_a_policy_is_changed_by_directive(app):
    changed = headers.content_security_policy(frame_ancestors="'self'", sandbox="")
    assert "frame-ancestors 'self'" in changed.split("; ")
    assert "sandbox" in changed.split("; ")
    assert "default-src 'none'" in changed.split("; ")
