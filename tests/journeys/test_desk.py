"""The desk in a real browser, from the invitation to the export: on a phone, on a desktop, and
without JavaScript."""

import csv
import io
import shutil
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from registration import create_app, database
from registration.services import second_factor

from .. import builders
from ..browser import DESKTOP, PHONE, look, opened, press
from ..desk import PASSWORD
from ..server import Server, flask

PEOPLE = {
    "aigerim@example.org": "Айгерим Нұрланқызы",
    "dina@example.org": "Dina",
    "erlan@example.org": "=Ерлан",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(template, folder / "instance")
    settings = {"INSTANCE": str(folder / "instance")}
    with create_app(settings).app_context():
        builders.publish(builders.file("starts = 2099-04-02T17:00:00\nends = 2099-04-02T18:30:00"))
        for address, name in PEOPLE.items():
            builders.register_and_confirm(address, name=name)
        database.engine().dispose()
    with Server(settings, log=folder / "log") as server:
        yield server


@pytest.mark.parametrize(
    ("viewport", "script"),
    [(PHONE, True), (DESKTOP, True), (PHONE, False)],
    ids=["phone", "desktop", "without JavaScript"],
)
def test_from_the_invitation_to_the_export(browser, server, tmp_path, viewport, script):
    seen = look if script else lambda _page: None
    address = f"asel-{viewport['width']}-{script}@example.org"
    with opened(browser, viewport=viewport, java_script_enabled=script) as (page, told):
        page.goto(invitation(server, address))
        seen(page)
        codes = accepted(page)
        seen(page)
        page.get_by_role("link", name="Sign in").click()
        seen(page)
        page.get_by_label("E-mail").fill(address)
        page.get_by_label("Password").fill(PASSWORD)
        # The app's next code would take half a minute.
        page.get_by_label("Code from your app").fill(codes.pop())
        press(page, "Sign in")
        seen(page)

        page.get_by_role("link", name="Who owns the water?").click()
        assert "Registered" in page.locator("dl.numbers").inner_text()
        seen(page)
        page.get_by_role("link", name="Attendees", exact=True).click()
        assert page.locator("tbody tr").count() == 3
        seen(page)
        page.get_by_label("Search").fill("нұрлан")
        press(page, "Search")
        assert page.locator("tbody tr").count() == 1
        page.get_by_role("link", name="Айгерим Нұрланқызы").click()
        seen(page)
        assert "Letter accepted: confirmation" in page.locator("table").inner_text()
        page.get_by_role("link", name="Who owns the water?").click()
        page.get_by_role("link", name="Export", exact=True).click()
        seen(page)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code from your app").fill(codes.pop())
        with page.expect_download() as download:
            press(page, "Download the CSV")
        download.value.save_as(tmp_path / "water.csv")
        assert told == []
        assert all(url.startswith((server.root, "blob:")) for url in told.asked)
    names = [row["name"] for row in rows((tmp_path / "water.csv").read_bytes())]
    assert names == ["Айгерим Нұрланқызы", "Dina", "'=Ерлан"]


def invitation(server: Server, address: str) -> str:
    """Return the link that `flask organizer add` prints, at the port that the server has."""
    settings = server.settings | {"PUBLIC_URL": server.root}
    done = flask(settings, "organizer", "add", address, "--role", "administrator", check=True)
    return done.stdout.decode().split()[0]


def accepted(page) -> list[str]:
    """Set password and second factor; return the recovery codes."""
    key = b32decode(page.locator("main code").first.inner_text().replace(" ", ""))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_label("Code that the app").fill(second_factor.code_at(key, datetime.now(UTC)))
    press(page, "Set both")
    return page.locator("main code").all_inner_texts()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
