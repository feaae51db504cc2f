"""The desk in a real browser, from the invitation to the export: with each page as it is on a
phone and on a desktop, and without JavaScript."""

import csv
import io
import shutil
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from registration import create_app, database
from registration.services.organizers import totp

from .. import builders
from ..browser import look, opened, press
from ..desk import PASSWORD
from ..server_process import Server, flask

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_from_the_invitation_to_the_export(browser, server, tmp_path, script):
    seen = look if script else lambda _page: None
    address = f"asel-{script}@example.org"
    with opened(browser, java_script_enabled=script) as (page, told):
        codes = come_in(page, server, address, seen)
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


def test_a_discussion_is_changed_and_its_attendees_are_written_to(browser, server):
    subtitle = "A river, with a script"
    # The journey above goes without JavaScript too.
    with opened(browser) as (page, _told):
        come_in(page, server, "dana@example.org", look)
        page.get_by_role("link", name="Who owns the water?").click()
        page.get_by_role("link", name="Edit", exact=True).click()
        look(page)
        page.get_by_label("Subtitle").fill(subtitle)
        press_first(page, "Add a partner")
        page.get_by_label("Role", exact=True).last.fill("co-sponsor")
        page.get_by_label("Name", exact=True).last.fill("Aral Fund")
        press_first(page, "Save and look")
        preview = page.frame_locator("iframe").first.locator("body")
        assert subtitle in preview.inner_text()
        # Without its styles, a page has the margin of the browser.
        assert preview.evaluate("it => getComputedStyle(it).marginTop") == "0px"
        press(page, "Publish")
        page.get_by_role("link", name="Page of the discussion").click()
        assert subtitle in page.locator("main").inner_text()
        assert "Aral Fund" in page.locator("main").inner_text()

        page.goto(f"{server.root}/organizer/discussions/water/mailings/new")
        page.get_by_label("Subject").fill(subtitle)
        page.get_by_label("Text", exact=True).fill("Dear {{ name }},\n{0.__class__} <b>stays</b>.")
        press(page, "Keep the draft and look at it")
        page.get_by_role("link", name="Send to 3 people").click()
        look(page)
        press(page, "Send it to 3 people now")
        look(page)
        assert text_of_letters(page, server, subtitle) == {
            f"Dear {name},\n{{0.__class__}} <b>stays</b>." for name in PEOPLE.values()
        }


def come_in(page, server: Server, address: str, seen) -> list[str]:
    """Follow an invitation, and sign in; return the recovery codes that are left."""
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
    return codes


def press_first(page, words: str) -> None:
    page.get_by_role("button", name=words, exact=True).first.click()


def text_of_letters(page, server: Server, subject: str) -> set[str]:
    """Return the first paragraph of each letter of a subject, when all have been sent."""
    for _ in range(50):
        page.goto(f"{server.root}/letters/")
        links = page.get_by_role("link", name=subject)
        if links.count() == len(PEOPLE):
            break
        page.wait_for_timeout(200)
    found = [link.get_attribute("href") for link in links.all()]
    texts = set()
    for path in found:
        page.goto(f"{server.root}{path}")
        texts.add(page.frame_locator("iframe").locator("p").first.inner_text())
    return texts


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
    page.get_by_label("Code that the app").fill(totp.code_at(key, datetime.now(UTC)))
    press(page, "Set both")
    # Reading all texts waits for nothing: on a busy machine the page before may still be there.
    page.locator("main code").nth(totp.RECOVERY_CODES - 1).wait_for()
    return page.locator("main code").all_inner_texts()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
