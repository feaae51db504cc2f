"""Clients who ask for page after page and read none: everybody else is served meanwhile."""

import socket
import time
from contextlib import ExitStack

import pytest

from registration import create_app, database

from .. import builders
from ..machine import on_sqlite
from ..server_process import Server

pytestmark = pytest.mark.slow

# More than the server's threads.
CLIENTS = 20
PERSON = """
[[contributors]]
role = "speaker"
name = "Saule"
biography = "{biography}"
"""


@on_sqlite
def test_a_client_that_pipelines_and_does_not_read_delays_nobody(instance, tmp_path):
    # A page of half a megabyte: a hundred of them are more than a server keeps for one client.
    people = "".join(PERSON.format(biography="ж" * 19_000) for _person in range(12))
    with create_app(instance).app_context():
        builders.publish(builders.file() + people.encode())
        database.engine().dispose()
    asked = b"GET /discussions/water HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as stack:
        server = stack.enter_context(Server(instance, log=tmp_path / "log"))
        assert len(server.get("/discussions/water").text.encode()) > 450_000
        for _client in range(CLIENTS):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(asked * 120)
        # Until each of them has been answered as far as it goes.
        time.sleep(4)
        for _visitor in range(3):
            started = time.monotonic()
            assert server.get("/robots.txt").status == 200
            assert time.monotonic() - started < 5
