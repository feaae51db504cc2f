"""A raw copy of database, journal, dump and log: nothing of anybody who registered is in it."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy.engine import make_url

from registration import create_app, database

from .. import builders
from ..mail_server import MailServer
from ..server_process import Server
from ..visitor import form_of

pytestmark = pytest.mark.slow

QUESTION = b"""
[[questions]]
key = "ask"
label = "What would you like to ask?"
kind = "long"
"""
CANARIES = {
    "name": "Қанарейка Нұрсұлтанқызы",
    "email": "kanareyka.canary@canary-host.example.org",
    "affiliation": "Canarian Institute",
    "question_ask": "Why do canaries sing?",
}
NEW = {"name": "Second Kanarienvogel", "email": "other.kanarie@canary-two.example.org"}


def disguises(value: str) -> set[bytes]:
    """Return `value` as it might stand in a file: plain, escaped, as hex, base64 or UTF-16."""
    plain = {value.encode(), value.upper().encode(), value.lower().encode()}
    found = set(plain)
    found |= {value.encode("utf-16-le"), value.encode("utf-16-be"), quote(value).encode()}
    found.add(json.dumps(value).strip('"').encode())
    for raw in plain:
        found |= {raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):
            # Base64 of a part depends on where it begins; its edges depend on the neighbours.
            coded = base64.b64encode(b"\0" * shift + raw)
            middle = coded[4 if shift else 0 : len(coded) // 4 * 4 - 4]
            found |= {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    return {each for each in found if len(each) >= 8}


def post(server: Server, path: str, act: str = "", wait: float = 0, **fields: str):
    page = server.get(path)
    target, hidden = form_of(page.text, act or None)
    time.sleep(wait)
    cookie = (page.getheader("Set-Cookie") or "").split(";")[0]
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    return server.ask("POST", target or path, urlencode(hidden | fields).encode(), **headers)


def letter(mail: MailServer, count: int) -> str:
    """Wait for the `count`-th letter, and return its text."""
    deadline = time.monotonic() + 15
    while len(mail.messages) < count:
        assert time.monotonic() < deadline, f"letter {count} never came"
        time.sleep(0.02)
    return mail.messages[count - 1].get_body(("plain",)).get_content()


def token_in(text: str) -> str:
    return re.search(r"/registrations/([\w-]{43})\b", text)[1]


def journey(server: Server, mail: MailServer) -> list[str]:
    """Register, confirm, change, ask for the link; return every token that was used."""
    form = "/discussions/water/register"
    assert post(server, form, wait=2.1, **CANARIES).status == 303
    token = token_in(letter(mail, 1))
    own = f"/registrations/{token}"
    assert post(server, own, "/confirm").status == 303
    letter(mail, 2)
    calendar = re.search(r"/registrations/calendar/([\w-]+)\.ics", server.get(own).text)[1]
    assert server.get(f"/registrations/calendar/{calendar}.ics").status == 200
    assert server.get(f"{own}.json").status == 200
    assert post(server, own, "/change", **CANARIES | NEW).status == 303
    signed = re.search(r"/registrations/address/([\w.-]+)", letter(mail, 3))[1]
    for path in (f"{own}x", f"{own}/%ff", f"/registrations/address/{signed}x", f"{own}/confirm"):
        assert server.get(path).status in {400, 404, 405}
    assert post(server, form, **CANARIES | {"name": ""}).status == 422
    return [token, calendar, signed]


@pytest.fixture
def settings(instance: dict[str, str]) -> dict[str, str]:
    app = create_app(instance)
    with app.app_context():
        builders.publish(builders.file('registration = "open"') + QUESTION)
        database.engine().dispose()
    return instance


def raw(settings: dict[str, str], log: Path) -> Iterator[tuple[str, bytes]]:
    """Return every file that the service wrote, as it lies there, and a dump of PostgreSQL."""
    yield "log", log.read_bytes()
    for path in sorted(Path(settings["INSTANCE"]).rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    if "DATABASE_URL" in settings:
        url = make_url(settings["DATABASE_URL"]).set(drivername="postgresql")
        dump = shutil.which("pg_dump") or "/usr/bin/pg_dump"
        done = subprocess.run(
            [dump, "--inserts", url.render_as_string()], capture_output=True, check=True
        )
        yield "dump", done.stdout


def test_nothing_personal_is_in_any_raw_file(settings, tmp_path):
    log = tmp_path / "log"
    with MailServer() as mail, Server(settings | {"MAIL_URL": mail.url}, log=log) as server:
        tokens = journey(server, mail)
        time.sleep(0.3)
        server.kill()
    files = dict(raw(settings, log))
    if "DATABASE_URL" not in settings:
        # Killed, the server leaves its journal behind, with what was written last.
        assert files["registration.sqlite3-wal"]
    else:
        assert b"INSERT INTO public.registrations" in files["dump"]
    assert b"water" in b"".join(files.values())
    for secret in [*CANARIES.values(), *NEW.values(), *tokens, "canary-host", "Қанарейка"]:
        for shape in disguises(secret):
            for name, content in files.items():
                assert shape not in content, f"{secret} is in {name}"


@pytest.mark.parametrize("name", ["Қанарейка", "Canarian Institute"])
def test_the_search_would_find_each_disguise(name):
    for shift in range(3):
        around = b"x" * shift + name.encode() + b"yyy"
        for written in (around, around.hex().encode(), base64.b64encode(around)):
            assert any(shape in written for shape in disguises(name))
    assert any(shape in name.encode("utf-16-le") for shape in disguises(name))
