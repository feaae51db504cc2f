"""The browser of the journeys."""

from collections.abc import Iterator
from ctypes.util import find_library

import pytest
from playwright.sync_api import Browser, sync_playwright

from ..machine import program, require


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for a worker; each page has a profile of its own."""
    chromium = program("chromium", "chromium-browser", "google-chrome")
    require(find_library("atomic"), "libatomic, which Playwright needs, is not installed")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=options)
        yield found
        found.close()
