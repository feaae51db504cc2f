"""Pictures of every page of the desk: on a phone and a desktop, light and dark.

`make screenshots` takes them, of people who do not exist; a page on which the browser finds a fault
stops it. Six of them are for the documents; all others are only looked at.
"""

import shutil
import sys
import tempfile
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from registration import create_app, database
from registration.database import writing
from registration.models import Deed, Group
from registration.services import audit_log, catalog
from registration.services.mailings import mailings
from registration.services.mailings.mailings import Draft
from registration.services.organizers import totp

from . import builders
from .browser import DESKTOP, FAULTS, PHONE, opened, press
from .conftest import install
from .desk import PASSWORD, invite
from .machine import program
from .server_process import Server, flask

TOP = Path(__file__).parent.parent
FOLDER = TOP / "build" / "screenshots"
SHOWN_FOLDER = TOP / "docs" / "desk"
SHOWN_VARIANT = "1280-light"
SHOWN = {"overview", "attendees", "attendee", "export", "edit", "letter-looked-at"}
PEOPLE = ["Айгерим Нұрланқызы", "Dina Abdullaeva", "Ерлан", "Ғалия Әбішева-Өтеген", "Serik"]
SHEET = b"name,email,affiliation\nAsan,asan@example.org,KazNU\nUsen,usen@example.org,\n"
LETTER = """Dear {{ name }},

the room opens ten minutes earlier: {{ time }}.
What to read before: https://example.org/water"""


def main() -> None:
    """Take all pictures anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        settings = {"INSTANCE": place, "SITE_NAME": "Wednesday talks"}
        numbers = _installation(settings)
        chromium = program("chromium", "chromium-browser", "google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with Server(settings, log=Path(place) / "log") as server:
            for width, viewport in (("390", PHONE), ("1280", DESKTOP)):
                for scheme in ("light", "dark"):
                    _take(browser, server, viewport, f"{width}-{scheme}", scheme, numbers)
        browser.close()


def _installation(settings: dict[str, str]) -> dict[str, str]:
    """Make one with people in it; return the addresses of a draft and of a mailing."""
    app = create_app(settings)
    install(app)
    with app.app_context():
        times = "starts = 2099-04-02T17:00:00\nends = 2099-04-02T18:30:00\nseats = 4"
        builders.publish(builders.with_questions(times))
        for number, name in enumerate(PEOPLE):
            answers = {"city": "Алматы", "topics": ["Rivers", "Law"]}
            address = f"person-{number}@example.org"
            builders.register(address=address, name=name, affiliation="KazNU", answers=answers)
            if number < 4:
                builders.confirm(address)
        builders.deliver()
        invite("desk@example.org")
        found = {name: _mailing(queued=name == "queued") for name in ("draft", "queued")}
        public_id = builders.registration_of("person-0@example.org").public_id
        database.engine().dispose()
    return found | {"attendee": public_id}


def _mailing(*, queued: bool) -> str:
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        draft = Draft("The room opens earlier", LETTER, (Group.CONFIRMED,))
        made = mailings.save(tx, discussion, draft, by=1)
        tx.flush()
        if queued:
            mailings.queue(tx, discussion, made.public_id, made.version, by=1)
        audit_log.note(tx, Deed.SIGNED_IN, by=1)
        return made.public_id


def _take(
    browser: Browser,
    server: Server,
    viewport: ViewportSize,
    variant: str,
    scheme: str,
    numbers: dict[str, str],
) -> None:
    with opened(browser, viewport=viewport, color_scheme=scheme) as (page, told):
        for name in _visit(page, server, variant, numbers):
            page.wait_for_load_state()
            # The frame in which a page is looked at runs no scripts, on purpose.
            faults = page.evaluate(FAULTS) + [said for said in told if "sandboxed" not in said]
            if faults:
                sys.exit(f"{name}, {variant}: {faults}")
            _shoot(page, _file(variant, name), viewport)


def _file(variant: str, name: str) -> Path:
    if variant == SHOWN_VARIANT and name in SHOWN:
        return SHOWN_FOLDER / f"{name}.jpg"
    return FOLDER / variant / f"{name}.jpg"


def _shoot(page: Page, file: Path, viewport: ViewportSize) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if page.locator("iframe").count():  # frames that nobody can see are not drawn
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size(viewport | {"height": height})
        page.wait_for_timeout(300)
    page.screenshot(path=file, type="jpeg", quality=45, full_page=True)
    page.set_viewport_size(viewport)


def _visit(page: Page, server: Server, variant: str, numbers: dict[str, str]) -> Iterator[str]:
    """Go through the pages; return the name of each when it is there."""
    yield from _come_in(page, server, f"asel-{variant}@example.org")
    yield "overview"
    water = f"{server.root}/organizer/discussions/water"
    pages = {
        "discussion": "",
        "attendees": "/attendees",
        "attendee": f"/attendees/{numbers['attendee']}",
        "add-somebody": "/attendees/add",
        "import": "/attendees/import",
        "export": "/export",
        "letters": "/mailings",
        "letter-written": "/mailings/new",
        "letter-looked-at": f"/mailings/{numbers['draft']}",
        "letter-sent": f"/mailings/{numbers['draft']}/send",
        "letter-on-its-way": f"/mailings/{numbers['queued']}",
        "edit": "/edit",
        "cancel": "/cancel",
        "take-off": "/take-off",
    }
    for name, path in pages.items():
        page.goto(water + path)
        yield name
    for name, act in (("import-looked-over", _import), ("edit-looked-at", _edit)):
        act(page, water)
        yield name
    for name in ("log", "failed-sign-ins", "sessions", "password", "new"):
        page.goto(f"{server.root}/organizer/{name}")
        yield name


def _come_in(page: Page, server: Server, address: str) -> Iterator[str]:
    settings = server.settings | {"PUBLIC_URL": server.root}
    done = flask(settings, "organizer", "add", address, "--role", "administrator", check=True)
    page.goto(done.stdout.decode().split()[0])
    yield "invitation"
    key = b32decode(page.locator("main code").first.inner_text().replace(" ", ""))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_label("Code that the app").fill(totp.code_at(key, datetime.now(UTC)))
    press(page, "Set both")
    code = page.locator("main code").first.inner_text()
    yield "recovery-codes"
    page.get_by_role("link", name="Sign in").click()
    yield "sign-in"
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code from your app").fill(code)
    press(page, "Sign in")


def _import(page: Page, water: str) -> None:
    page.goto(f"{water}/attendees/import")
    sheet = {"name": "people.csv", "mimeType": "text/csv", "buffer": SHEET}
    page.locator("input[type=file]").set_input_files(sheet)
    press(page, "Look it over")


def _edit(page: Page, water: str) -> None:
    page.goto(f"{water}/edit")
    page.get_by_label("Subtitle").fill("A river and its people")
    page.get_by_role("button", name="Save and look").first.click()


if __name__ == "__main__":
    main()
