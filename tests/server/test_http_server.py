"""flask serve as a real process: refused requests, its log, and its end."""

import logging
import re
import shutil
import socket
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from registration import create_app, database
from registration.database import reading, writing
from registration.models import Installation, Letter
from registration.server import http_server
from registration.services.attendees import exports

from .. import builders
from ..mail_server import MailServer
from ..server_process import Server, flask, free_port
from ..visitor import form_of

pytestmark = pytest.mark.slow

OPEN = builders.file('registration = "open"')


@pytest.fixture
def settings(tmp_path: Path, template: Path) -> dict[str, str]:
    """A fresh installation with one discussion, on SQLite."""
    folder = tmp_path / "instance"
    shutil.copytree(template, folder)
    settings = {"INSTANCE": str(folder)}
    app = create_app(settings)
    with app.app_context():
        builders.publish(OPEN)
        database.engine().dispose()
    return settings


@pytest.fixture
def app(settings: dict[str, str]):
    """The same installation, seen from this process."""
    app = create_app(settings)
    with app.app_context():
        yield app
        database.engine().dispose()


def filled(server: Server, **fields: str) -> tuple[bytes, dict[str, str]]:
    """Open the form, wait as long as a person would, and return body and headers of its POST."""
    page = server.get("/discussions/water/register")
    cookie = page.getheader("Set-Cookie").split(";")[0]
    _action, hidden = form_of(page.text)
    time.sleep(2.1)
    typed = {"name": "Айгерим", "email": "aigerim@example.org", "affiliation": ""} | fields
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    return urlencode(hidden | typed).encode(), headers


def eventually(holds, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def test_a_taken_port_is_refused_in_one_sentence(settings):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = flask(settings, "serve", "--port", str(port))
    assert done.returncode == 1
    said = f"Error: 127.0.0.1:{port} cannot be bound (Address already in use): choose another "
    assert done.stderr.decode() == said + "--port.\n"


@pytest.mark.parametrize("place", [["--host", "no such host"], ["--port", "99999"]])
def test_an_impossible_address_is_refused_in_one_sentence(settings, app, place):
    done = app.test_cli_runner().invoke(args=["serve", *place])
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_it_is_refused_without_the_key(settings):
    (key,) = Path(settings["INSTANCE"], "keys").iterdir()
    key.unlink()
    done = flask(settings, "serve", "--port", str(free_port()))
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"put that key back" in done.stderr


def test_it_serves_and_logs_no_visitor(settings, tmp_path):
    log = tmp_path / "log"
    with Server(settings, "--without-mail", log=log) as server:
        assert server.get("/").status == 200
        assert server.get("/discussions/water").status == 200
        for path in ("/registrations/canary-token", "/nothing", "/%ff", "/?canary=1"):
            server.get(path, User_Agent="canary-agent", Referer="https://canary.example")
        for broken in (b"canary\r\n\r\n", b"GET / canary\r\n\r\n", b"\x16\x03\x01canary\r\n\r\n"):
            with closing(socket.create_connection(("127.0.0.1", server.port))) as line:
                line.sendall(broken)
                line.recv(4096)
        assert "registered" not in server.get("/letters/").text
        server.terminate()
        assert server.wait(10) == 0
        lines = server.output.splitlines()
    assert lines == [f"Serving http://127.0.0.1:{server.port} (Ctrl+C stops it)"]


def test_a_client_that_leaves_before_the_answer_is_not_logged(settings, app, tmp_path):
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        body, headers = filled(server)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with writing() as tx:
            # While another writer holds the database, the request waits.
            tx.get_one(Installation, 1).content_version += 1
            tx.flush()
            line = socket.create_connection(("127.0.0.1", server.port))
            line.sendall(
                f"POST /discussions/water/register?canary HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            time.sleep(0.3)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.close()
            time.sleep(0.2)
        eventually(lambda: list(exports.attendees(reading, "water")))
        time.sleep(0.2)
        server.terminate()
        assert server.wait(10) == 0
        assert len(server.output.splitlines()) == 1


def test_sigterm_finishes_the_request_in_hand(settings, app, tmp_path):
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        body, headers = filled(server)
        with ThreadPoolExecutor() as pool:
            with writing() as tx:
                tx.get_one(Installation, 1).content_version += 1
                tx.flush()
                answer = pool.submit(
                    server.ask, "POST", "/discussions/water/register", body, **headers
                )
                time.sleep(0.3)
                server.terminate()
                time.sleep(0.3)
                # Nothing new is taken meanwhile.
                with pytest.raises(ConnectionError):
                    server.get("/")
            assert answer.result().status == 303
        assert server.wait(10) == 0
    assert builders.attendee().name == "Айгерим"


def test_sigterm_finishes_the_letter_in_hand_and_no_other(settings, app, tmp_path):
    arrived, may_go_on = threading.Event(), threading.Event()

    def slowly(_recipient: str) -> None:
        arrived.set()
        may_go_on.wait(10)

    for number in range(3):
        builders.register(address=f"a{number}@example.org")
    with MailServer() as mail:
        mail.refusals["DATA"] = slowly
        with Server(settings | {"MAIL_URL": mail.url}, log=tmp_path / "log") as server:
            assert arrived.wait(10)
            server.terminate()
            time.sleep(0.3)
            assert server.process.poll() is None
            may_go_on.set()
            assert server.wait(10) == 0
        assert len(mail.messages) == 1
    with reading() as tx:
        letters = tx.query(Letter.state, Letter.lease_until).order_by(Letter.id).all()
    assert [(state.value, lease) for state, lease in letters] == [
        ("sent", None),
        ("owed", None),
        ("owed", None),
    ]


def test_without_mail_nothing_is_delivered(settings, app, tmp_path):
    builders.register()
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        time.sleep(1.5)
        assert "No letter yet" in server.get("/letters/").text
    with reading() as tx:
        assert [letter.state.value for letter in tx.query(Letter)] == ["owed"]


def test_the_mailbox_is_there_for_this_machine_only(settings, app, tmp_path):
    builders.register()
    with Server(settings, log=tmp_path / "log") as server:
        eventually(lambda: "aigerim@example.org" in server.get("/letters/").text)
        found = re.search(r'href="(/letters/[^"]+)"', server.get("/letters/").text)
        for path in ("/letters/", found[1], f"{found[1]}/html", f"{found[1]}/source"):
            assert server.get(path).status == 200
            for name, value in {
                "X_Forwarded_For": "198.51.100.7",
                "X_Forwarded_Proto": "https",
                "X_Forwarded_Host": "events.example.org",
                "Forwarded": "for=198.51.100.7",
            }.items():
                assert server.get(path, **{name: value}).status == 404


def test_the_mailbox_is_nowhere_where_others_can_connect(settings, tmp_path):
    options = ("--without-mail", "--host", "0.0.0.0")
    with Server(settings, *options, log=tmp_path / "log") as server:
        assert server.get("/letters/").status == 404


def test_a_fault_of_the_server_is_logged_by_its_place_alone():
    try:
        {"song": 1}["canary"]
    except KeyError:
        fault = sys.exc_info()
    words = (
        "waitress",
        logging.ERROR,
        __file__,
        1,
        "Exception while serving %s",
        ("canary",),
        fault,
    )
    record = logging.LogRecord(*words)
    assert http_server.hide_visitors(record)
    said = logging.Formatter().format(record)
    assert said.startswith("A request failed: KeyError\n  ")
    assert "test_a_fault_of_the_server" in said
    assert "canary" not in said
    assert not http_server.hide_visitors(
        logging.LogRecord("waitress", logging.INFO, *words[2:6], None)
    )


def test_localhost_is_a_host_like_any_other(settings, tmp_path):
    with Server(settings, "--without-mail", "--host", "localhost", log=tmp_path / "log") as server:
        assert server.get("/").status == 200
        server.terminate()
        assert server.wait(10) == 0
        assert len(server.output.splitlines()) == 1


def test_a_million_characters_are_answered_with_a_page(settings, tmp_path):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        page = server.ask("POST", "/registrations/find", b"name=" + b"x" * 1_000_000, **form)
    assert page.status == 413
    assert "Your form is too long" in page.text
