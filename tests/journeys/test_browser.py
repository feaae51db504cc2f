"""The whole journey in a real browser, on a phone's screen, with and without JavaScript."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

from registration import create_app, database

from .. import builders
from ..browser import look, opened, press
from ..server_process import Server

pytestmark = pytest.mark.slow

WATER = (
    builders.file("""
starts = 2099-04-02T17:00:00
ends = 2099-04-02T18:30:00
""")
    + b"""
[[questions]]
key = "ask"
label = "What would you like to ask the speakers?"
kind = "long"
why = "They read it before."

[[questions]]
key = "city"
label = "Where from?"
kind = "choice"
options = ["Almaty", "Astana"]

[[questions]]
key = "themes"
label = "Which themes?"
kind = "choices"
options = ["Rivers", "Seas"]

[[questions]]
key = "news"
label = "May we write again?"
kind = "yes"

[[sharing]]
partner = "PaperLab Research Center"
what = ["name", "email"]
why = "They hold it with us."
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("browser")
    shutil.copytree(template, folder / "instance")
    settings = {"INSTANCE": str(folder / "instance"), "CONTACT": "hosts@example.org"}
    app = create_app(settings)
    with app.app_context():
        builders.publish_first()
        builders.publish(WATER)
        database.engine().dispose()
    with Server(settings, log=folder / "log") as server:
        yield server


def letter(page: Page, server: Server, address: str, subject: str) -> str:
    """Open the letter of that subject to an address, and return the personal link in its HTML."""
    mine = page.get_by_role("listitem").filter(has_text=address)
    newest = mine.get_by_role("link", name=subject).first
    for _ in range(50):
        page.goto(f"{server.root}/letters/")
        if newest.count():
            break
        page.wait_for_timeout(200)
    newest.click()
    frame = page.frame_locator("iframe")
    return frame.locator("a[href*='/registrations/']").first.get_attribute("href")


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_whole_journey_on_a_phone(browser, server, script):
    seen = look if script else lambda _page: None
    address = f"aigerim-{'with' if script else 'without'}@example.org"
    with opened(browser, java_script_enabled=script) as (page, told):
        page.goto(server.root)
        seen(page)
        page.get_by_role("link", name="Who owns the water?").first.click()
        seen(page)
        page.get_by_role("link", name="Register", exact=True).first.click()
        seen(page)

        page.get_by_label("Name", exact=True).fill("Айгерим")
        page.get_by_label("E-mail", exact=True).fill("aigerim at example.org")
        page.get_by_label("What would you like to ask").fill("Whose is it?\nReally?")
        page.get_by_label("Astana").check()
        page.get_by_label("Seas").check()
        page.wait_for_timeout(2100)
        press(page, "Register")
        seen(page)
        assert page.locator("[aria-invalid=true]").count() == 1
        assert page.locator("p.error").inner_text().startswith("An e-mail address has one @ sign")
        assert page.get_by_label("Name", exact=True).input_value() == "Айгерим"
        assert page.get_by_label("What would you").input_value() == "Whose is it?\nReally?"
        assert page.get_by_label("Astana").is_checked()
        assert page.get_by_label("Seas").is_checked()

        page.get_by_label("E-mail", exact=True).fill(address)
        press(page, "Register")
        assert page.url == f"{server.root}/discussions/water/registered"
        seen(page)

        link = letter(page, server, address, "Confirm")
        seen(page)
        page.goto(link)
        seen(page)
        press(page, "Confirm my registration")
        assert page.locator(".eyebrow").text_content().strip() == "You are registered"
        seen(page)

        again = letter(page, server, address, "You are registered")
        assert again == link
        seen(page)
        page.goto(link)
        page.get_by_text("Change name, address or answers").click()
        page.get_by_label("Name", exact=True).fill("Айгерим из Астаны")
        seen(page)
        press(page, "Keep the changes")
        assert "Айгерим из Астаны" in page.locator("dl.held").inner_text()

        press(page, "Withdraw")
        assert page.locator(".eyebrow").text_content().strip() == "You have withdrawn"
        seen(page)
        press(page, "Erase everything")
        assert page.url == f"{server.root}/registrations/erased"
        seen(page)
        page.goto(f"{server.root}/letters/")
        assert address not in page.content()
        page.goto(link)
        assert page.get_by_role("heading", level=1).count() == 1
        seen(page)

    assert {url.startswith((server.root, "data:")) for url in told.asked} == {True}
    expected = ["status of 422", "status of 404"]
    assert len(told) == len(expected), told
    assert all(part in said for part, said in zip(expected, told, strict=True)), told


@pytest.mark.parametrize(
    "path",
    [
        "/discussions/bloody-january",
        "/discussions/bloody-january/register",
        "/discussions/bloody-january/registered",
        "/registrations/find",
        "/registrations/sent",
        "/registrations/erased",
        "/privacy",
        "/letters/",
    ],
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_on_a_small_phone(browser, server, path, scheme):
    with opened(browser, color_scheme=scheme) as (page, told):
        page.goto(server.root + path)
        look(page)
        assert told == []
        assert {url.startswith(server.root) for url in told.asked} == {True}


def test_the_time_is_told_in_the_readers_zone_too(browser, server):
    with opened(browser, timezone_id="America/New_York") as (page, told):
        page.goto(f"{server.root}/discussions/water")
        place = page.locator("[data-reader-time]").first
        assert place.is_visible()
        assert "08:00" in place.inner_text()
        assert told == []


@pytest.mark.parametrize("is_left_ticked", [True, False])
def test_letters_tell_the_time_in_the_readers_zone_if_wanted(browser, server, is_left_ticked):
    address = f"zone-{is_left_ticked}@example.org".lower()
    with opened(browser, timezone_id="America/New_York") as (page, told):
        page.goto(f"{server.root}/discussions/water/register")
        offered = page.get_by_label("Letters state the time in my zone, too (America/New_York)")
        assert offered.is_checked()
        offered.set_checked(is_left_ticked)
        page.get_by_label("Name", exact=True).fill("Айгерим")
        page.get_by_label("E-mail", exact=True).fill(address)
        page.wait_for_timeout(2100)
        press(page, "Register")
        link = letter(page, server, address, "Confirm")
        said = page.frame_locator("iframe").locator("body").inner_text()
        assert (
            "08:00\N{EN DASH}09:30 UTC\N{MINUS SIGN}4 (America/New_York)" in said
        ) == is_left_ticked
        page.goto(link)
        press(page, "Confirm my registration")
        held = page.locator("dl.held").inner_text()
        assert ("America/New_York" in held) == is_left_ticked
        assert told == []


@pytest.mark.parametrize("path", ["/", "/discussions/water/register", "/organizer/sign-in", "/x"])
def test_a_page_may_use_no_feature_of_the_browser(browser, server, path):
    with opened(browser) as (page, _told):
        page.goto(server.root + path)
        features = page.evaluate("document.featurePolicy.features()")
        allowed = page.evaluate("document.featurePolicy.allowedFeatures()")
    assert len(features) > 50
    # Client hints are sent to sites that ask for them; this one does not.
    assert [name for name in allowed if not name.startswith("ch-")] == []


def test_no_other_site_can_load_a_page_or_a_picture(browser, server):
    parts = "/static/icon.svg", "/discussions/water", "/discussions.ics", "/static/reader-time.js"
    images = "".join(f"<img src='{server.root}{path}'>" for path in parts)
    styles = f"<link rel='stylesheet' href='{server.root}/static/styles.css'>"
    refused: list[str | None] = []
    with (
        foreign_site(f"<!doctype html>{styles}{images}") as other,
        opened(browser) as (page, _told),
    ):
        page.on("requestfailed", lambda request: refused.append(request.failure))
        page.goto(other)
        page.wait_for_load_state()
        assert page.evaluate("[...document.images].map(it => it.naturalWidth)") == [0] * len(parts)
        # They alone are for everybody: the preview of a draft is of no origin.
        assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px"
    assert refused == ["net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"] * len(parts)


@contextmanager
def foreign_site(html: str) -> Iterator[str]:
    """Run another site with one page, and return its address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()
