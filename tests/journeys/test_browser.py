"""The whole journey in a real browser, on a phone's screen, with and without JavaScript."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from registration import create_app, database

from .. import builders
from ..machine import needs, program
from ..server import Server

PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}
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
# What a page must be, as the browser has it: faults, in words.
FAULTS = """() => {
  const found = [];
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.documentElement.lang) found.push("no lang");
  if (!document.title) found.push("no title");
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select"))
    if (!field.labels.length && !field.ariaLabel) found.push(`no label: ${field.name}`);
  for (const image of document.images) if (!image.alt) found.push(`no alt: ${image.src}`);
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id);
  if (new Set(ids).size < ids.length) found.push("an id stands twice");
  if (document.documentElement.scrollWidth > innerWidth)
    found.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${innerWidth}`);
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility()) continue;
    const [low, high] = [light(rgba(getComputedStyle(one).color)), light(ground(one))].sort(
      (a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5)
      found.push(`pale: ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return found;
}"""


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = program("chromium", "chromium-browser", "google-chrome")
    needs(find_library("atomic"), "libatomic, which Playwright needs, is not installed")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=options)
        yield found
        found.close()


class Told(list):
    """What the browser complained of, and every address it asked for."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.asked: list[str] = []
        page.context.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self.hear)

    def hear(self, message: object) -> None:
        if message.type in {"error", "warning"}:
            self.append(message.text)


@contextmanager
def opened(browser: Browser, **options: object) -> Iterator[tuple[Page, Told]]:
    context = browser.new_context(viewport=PHONE, locale="en-GB", **options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    try:
        yield page, Told(page)
    finally:
        context.close()


def look(page: Page) -> None:
    """Check the page that is shown, at the width of a small phone too."""
    page.wait_for_load_state()
    assert page.evaluate(FAULTS) == [], page.url
    page.set_viewport_size(NARROW)
    assert page.evaluate(FAULTS) == [], page.url
    page.set_viewport_size(PHONE)


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


def press(page: Page, words: str) -> None:
    page.get_by_role("button", name=words, exact=True).click()


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
def test_letters_tell_the_time_in_the_readers_zone_if_that_is_left_ticked(
    browser, server, is_left_ticked
):
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
