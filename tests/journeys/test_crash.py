"""The server is killed at any moment: nothing that was acknowledged is lost, nothing is told twice.

The short form: a few kills at seeded times, while clients register and confirm over HTTP.
"""

import random
import re
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import select

from registration import create_app, database
from registration.database import reading
from registration.models import Letter, LetterKind, LetterState, Registration, RegistrationStatus

from .. import builders
from ..conftest import Clock
from ..mail_server import MailServer
from ..server import Server
from ..visitor import form_of

ROUNDS = {"sqlite": 3, "postgresql": 2}


class Client:
    """Somebody who registers new addresses without end, and confirms those that got a letter."""

    def __init__(self, name: str, server: Server, mail: MailServer) -> None:
        self.name, self.server, self.mail = name, server, mail
        page = server.get("/discussions/water/register")
        cookie = page.getheader("Set-Cookie").split(";")[0]
        self.headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        _action, self.hidden = form_of(page.text)
        self.asked: list[str] = []
        self.registered: set[str] = set()
        self.confirmed: set[str] = set()
        self.tried: set[str] = set()
        self.read = 0

    def go_on(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.register()
                self.confirm()
            except (OSError, HTTPException):
                # Killed: it is not known whether what was asked for was done.
                time.sleep(0.02)

    def register(self) -> None:
        address = f"{self.name}{len(self.asked)}@example.org"
        self.asked.append(address)
        values = {"name": address, "email": address, "affiliation": ""}
        if self.post("/discussions/water/register", **values) == 303:
            self.registered.add(address)

    def confirm(self) -> None:
        while self.read < len(self.mail.messages):
            message = self.mail.messages[self.read]
            self.read += 1
            address = message["To"].addresses[0].addr_spec
            if address.startswith(self.name) and address not in self.tried:
                self.tried.add(address)
                text = message.get_body(("plain",)).get_content()
                path = re.search(r"/registrations/[\w-]{43}\b", text)[0]
                if self.post(f"{path}/confirm") == 303:
                    self.confirmed.add(address)

    def post(self, path: str, **fields: str) -> int:
        body = urlencode(self.hidden | fields).encode()
        return self.server.ask("POST", path, body, **self.headers).status


def run(server: Server, mail: MailServer, rounds: int) -> list[Client]:
    """Let clients work while the server is killed `rounds` times; return the clients."""
    moments = random.Random(20231207)
    clients = [Client(name, server, mail) for name in ("aigerim", "bolat", "dina")]
    time.sleep(2.1)
    stop = threading.Event()
    threads = [threading.Thread(target=client.go_on, args=[stop]) for client in clients]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        time.sleep(moments.uniform(0.3, 2.0))
        server.kill()
        server.start()
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    server.kill()
    return clients


def test_kill_loses_nothing_and_sends_no_letter_under_two_names(
    request, instance, tmp_path: Path, capsys
):
    kind = "postgresql" if "DATABASE_URL" in instance else "sqlite"
    with MailServer() as mail:
        # After every lease has ended, whatever was in hand is owed again.
        later = Clock(datetime.now(UTC) + timedelta(minutes=10))
        app = create_app(instance | {"MAIL_URL": mail.url}, clock=later)
        with app.app_context():
            builders.publish(builders.file('registration = "open"'))
            database.engine().dispose()
            server = Server(instance | {"MAIL_URL": mail.url}, log=tmp_path / "log")
            with server:
                clients = run(server, mail, ROUNDS[kind])
            while builders.deliver():
                pass
            figures = compare(clients, mail)
            database.engine().dispose()
    with capsys.disabled():
        told = ", ".join(f"{number} {what}" for what, number in figures.items())
        sys.stdout.write(f"\ncrash on {kind}: {ROUNDS[kind] + 1} kills, {told}\n")
    assert "Traceback" not in server.output


def compare(clients: list[Client], mail: MailServer) -> dict[str, int]:
    """Compare what was asked for and acknowledged with what is stored and delivered."""
    asked = [address for client in clients for address in client.asked]
    registered = set().union(*(client.registered for client in clients))
    confirmed = set().union(*(client.confirmed for client in clients))
    with reading() as session:
        rows = session.scalars(select(Registration)).all()
        letters = session.scalars(select(Letter)).all()
    addresses = {row.id: row.attendee(builders.house.ring()).address for row in rows}
    stored = Counter(addresses.values())
    assert registered - stored.keys() == set()
    assert stored.keys() - set(asked) == set()
    assert set(stored.values()) == {1}
    states = {addresses[row.id]: row.status for row in rows}
    assert {states[address] for address in confirmed} == {RegistrationStatus.CONFIRMED}

    arrived = Counter(
        (message["To"].addresses[0].addr_spec, message["Message-ID"]) for message in mail.messages
    )
    owed = {(addresses[letter.registration_id], letter.message_id): letter for letter in letters}
    assert arrived.keys() == owed.keys()
    # A first letter that arrived, was answered and then came due again is dropped as untrue.
    dropped = [letter for letter in letters if letter.state is not LetterState.SENT]
    assert {letter.state for letter in dropped} <= {LetterState.DROPPED}
    assert {letter.kind for letter in dropped} <= {LetterKind.ADDRESS_CONFIRMATION}
    firsts = Counter(a for (a, _), row in owed.items() if row.kind.value == "address_confirmation")
    seconds = Counter(a for (a, _), row in owed.items() if row.kind.value == "confirmation")
    assert firsts == stored
    assert seconds == Counter(a for a, state in states.items() if state.value == "confirmed")
    assert len(confirmed) > 2
    return {
        "asked": len(asked),
        "acknowledged": len(registered),
        "stored": len(rows),
        "confirmed": len(confirmed),
        "letters": len(owed),
        "lost": len(registered - stored.keys()),
        "sent again under the same Message-ID": arrived.total() - len(arrived),
    }
