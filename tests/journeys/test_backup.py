"""A backup is made while people register; elsewhere it is restored, and has all of them."""

import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from registration import create_app, database
from registration.database import reading
from registration.models import Registration
from registration.services.operations import process_lock

from .. import builders
from ..machine import on_sqlite
from ..server_process import Server, flask
from ..visitor import form_of

pytestmark = pytest.mark.slow

FORM = "/discussions/water/register"
CLIENTS = 4
# Seconds: as long as nobody who registers minds. A backup takes far less.
PATIENCE = 3.0


class Client(threading.Thread):
    """Somebody who registers one address after the other, and notes what was acknowledged."""

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name=name)
        page = server.get(FORM)
        self.server, self.stop = server, threading.Event()
        self.headers = {
            "Cookie": page.getheader("Set-Cookie").split(";")[0],
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.hidden = form_of(page.text)[1]
        self.acknowledged: list[str] = []
        self.slowest = 0.0

    def run(self) -> None:
        while not self.stop.is_set():
            address = f"{self.name}{len(self.acknowledged)}@example.org"
            body = urlencode(self.hidden | {"name": self.name, "email": address}).encode()
            began = time.monotonic()
            answer = self.server.ask("POST", FORM, body, **self.headers)
            self.slowest = max(self.slowest, time.monotonic() - began)
            assert answer.status == 303
            self.acknowledged.append(address)


@pytest.fixture
def serving(instance, tmp_path):
    """A server with a discussion and without a mail worker."""
    app = create_app(instance)
    with app.app_context():
        builders.publish(builders.file('registration = "open"'))
        database.engine().dispose()
    limits = {"FORMS_AN_HOUR": "1000000", "LETTERS_AN_HOUR": "1000000"}
    with Server(instance | limits, "--without-mail", log=tmp_path / "log") as server:
        yield server


def registered(settings: dict[str, str]) -> set[str]:
    app = create_app(settings)
    with app.app_context():
        ring = builders.ring()
        with reading() as tx:
            found = {row.attendee(ring).address for row in tx.query(Registration)}
        database.engine().dispose()
    return found


def begun(clients: list[Client], count: int) -> None:
    """Wait until each client has `count` more acknowledgements."""
    goals = [len(client.acknowledged) + count for client in clients]
    deadline = time.monotonic() + 60
    while any(len(c.acknowledged) < goal for c, goal in zip(clients, goals, strict=True)):
        assert time.monotonic() < deadline, "nobody can register"
        assert all(client.is_alive() for client in clients), "a registration was refused"
        time.sleep(0.02)


@pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
def test_a_backup_beside_registrations_has_all_that_was_acknowledged_before_it(
    serving, instance, elsewhere, tmp_path
):
    clients = [Client(f"client{number}", serving) for number in range(CLIENTS)]
    time.sleep(2.1)
    for client in clients:
        client.start()
    begun(clients, 10)
    before = {address for client in clients for address in list(client.acknowledged)}
    done = flask(instance, "database", "backup", str(tmp_path / "backup"))
    assert (done.returncode, done.stderr) == (0, b"")
    begun(clients, 5)
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join()
    done = flask(elsewhere, "database", "restore", str(tmp_path / "backup"))
    assert (done.returncode, done.stderr) == (0, b"")
    found = registered(elsewhere)
    assert before - found == set()
    assert found - registered(instance) == set()
    assert flask(elsewhere, "database", "check").returncode == 0
    assert max(client.slowest for client in clients) < PATIENCE


@on_sqlite
def test_a_running_service_is_noticed_though_its_database_was_moved_away(
    serving, instance, tmp_path
):
    folder = Path(instance["INSTANCE"])
    assert flask(instance, "database", "backup", str(tmp_path / "backup")).returncode == 0
    for path in folder.glob("registration.sqlite3*"):
        path.rename(tmp_path / path.name)
    restore = ("database", "restore", str(tmp_path / "backup"))
    done = flask(instance, *restore)
    assert done.returncode == 1
    assert b"stop `flask serve` and `flask outbox deliver --forever` first." in done.stderr
    serving.terminate()
    assert serving.wait(25) == 0
    for path in folder.glob("registration.sqlite3*"):  # what a request had made meanwhile
        path.unlink()
    assert flask(instance, *restore).returncode == 0


@on_sqlite
@pytest.mark.parametrize("command", ["serve", "outbox deliver --forever", "database upgrade"])
def test_a_service_does_not_start_beside_a_restore(instance, command):
    with process_lock.lock_for_restore(Path(instance["INSTANCE"])):
        done = flask(instance, *command.split(), text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: A backup is being restored: start the service when that is done.\n",
    )
