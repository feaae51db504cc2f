"""Pages in a real browser: opened, checked, and with the complaints of the browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}
# Denied for browsers on other systems; here the browser has no such feature, and says so.
ELSEWHERE = ("Unrecognized feature: 'bluetooth'.", "Unrecognized feature: 'web-share'.")
# Returns the faults of the page in the browser, as sentences.
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


class Told(list):
    """The complaints of the browser, and every address that it requested."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.asked: list[str] = []
        page.context.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self.hear)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.endswith(ELSEWHERE):
            self.append(message.text)


@contextmanager
def opened(
    browser: Browser, *, viewport: ViewportSize = PHONE, **options: Any
) -> Iterator[tuple[Page, Told]]:
    """Open a page in a browser of its own, a phone's unless a `viewport` is given."""
    context = browser.new_context(viewport=viewport, locale="en-GB", **options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    try:
        yield page, Told(page)
    finally:
        context.close()


def look(page: Page) -> None:
    """Check the page that is shown: as it is, on a small phone and on a desktop."""
    page.wait_for_load_state()
    before = page.viewport_size
    for size in (before, NARROW, DESKTOP):
        page.set_viewport_size(size)
        assert page.evaluate(FAULTS) == [], (page.url, size)
    page.set_viewport_size(before)


def press(page: Page, words: str) -> None:
    """Press the button with these words."""
    page.get_by_role("button", name=words, exact=True).click()
