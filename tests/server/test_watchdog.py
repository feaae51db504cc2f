"""The watchdog: the supervisor hears of a service that answers, and nothing of one that hangs."""

import socket
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from registration import app_context, database
from registration.server import watchdog
from registration.services.organizers import passwords

from ..machine import on_postgresql, on_sqlite
from ..server_process import Server


@pytest.fixture
def supervisor(tmp_path: Path):
    """A supervisor's socket, as systemd has one; `recv` returns what it is told."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(10)
        yield line


def heard(line: socket.socket, seconds: float) -> list[bytes]:
    """Return all that is told within so many seconds."""
    told, deadline = [], time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        line.settimeout(left)
        try:
            told.append(line.recv(100))
        except TimeoutError:
            break
    return told


@pytest.fixture
def server(app, instance, supervisor, tmp_path, monkeypatch):
    """A server that a supervisor watches, which wants a sign of life each second."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    with Server(instance, "--without-mail", log=tmp_path / "log") as server:
        yield server


@pytest.mark.slow
@on_sqlite
def test_the_supervisor_hears_that_it_is_ready_and_alive(server, supervisor):
    assert supervisor.recv(100) == b"READY=1"
    assert len(heard(supervisor, 3)) >= 3


@pytest.mark.slow
@on_postgresql
def test_a_server_whose_database_hangs_gives_no_sign_of_life(server, supervisor):
    assert supervisor.recv(100) == b"READY=1"
    assert supervisor.recv(100) == b"WATCHDOG=1"
    with database.writing() as tx:
        tx.execute(text("LOCK TABLE installation IN ACCESS EXCLUSIVE MODE"))
        heard(supervisor, 1)  # a datagram sent before the lock
        assert heard(supervisor, 2) == []
    supervisor.settimeout(10)
    assert supervisor.recv(100) == b"WATCHDOG=1"


@on_sqlite
def test_a_port_that_does_not_answer_is_no_sign_of_life(app):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        assert not watchdog.is_alive(app, silent.getsockname(), timeout_seconds=0.2)


@pytest.mark.slow
@on_sqlite
def test_a_process_that_is_stuck_gives_no_sign_of_life(app, server, monkeypatch):
    address = ("127.0.0.1", server.port)
    assert watchdog.is_alive(app, address, timeout_seconds=5)
    monkeypatch.setattr(app_context, "STUCK_SECONDS", 0.01)
    with database.writing():
        time.sleep(0.05)
        assert not watchdog.is_alive(app, address, timeout_seconds=5)
    with passwords.turn():
        time.sleep(0.05)
        assert not watchdog.is_alive(app, address, timeout_seconds=5)
    assert watchdog.is_alive(app, address, timeout_seconds=5)


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_supervisor_sets_the_interval_of_signs_of_life(environment, interval):
    found = watchdog.supervisor({"NOTIFY_SOCKET": "/run/notify", **environment})
    assert found == watchdog.Supervisor("/run/notify", interval)


def test_without_a_supervisor_there_is_no_watchdog():
    assert watchdog.supervisor({}) is None
