"""The memory of the shipped server, after many bodies of the largest sizes at once."""

import ctypes
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from registration import create_app, database
from registration.discussion_file import form_size
from registration.server import memory, request_parser

from .. import builders
from ..server_process import TOP, Server

pytestmark = pytest.mark.slow

FORM = "/discussions/water/register"
CONNECTIONS = 24
BODIES = 1000
MAX_MEGABYTES = 200


@pytest.fixture
def server(tmp_path: Path, template: Path):
    """A fresh installation with one discussion, served as `make run` does."""
    folder = tmp_path / "instance"
    shutil.copytree(template, folder)
    settings = {"INSTANCE": str(folder)}
    with create_app(settings).app_context():
        builders.publish(builders.with_questions('registration = "open"'))
        database.engine().dispose()
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        yield server


def form_of_size(size: int) -> bytes:
    """Return a form in parts that is given back with mistakes, five times as long: each quotation
    mark is escaped."""
    head = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    return head + b'"' * (size - len(head) - len(tail)) + tail


def send_many(server: Server, body: bytes) -> set[int]:
    """Send a body over and over, from all connections at once; return the statuses."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    def send(count: int) -> set[int]:
        seen = set()
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            for _ in range(count):
                connection.request("POST", FORM, body, headers)
                answer = connection.getresponse()
                answer.read()
                seen.add(answer.status)
        return seen

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [len(range(number, BODIES, CONNECTIONS)) for number in range(CONNECTIONS)]
        return set[int]().union(*pool.map(send, shares))


def megabytes(server: Server, field: str = "VmRSS") -> float:
    """Return the memory of the server's process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6


def test_memory_stays_small_after_many_bodies_of_the_largest_sizes(server, capsys):
    """The largest form that is given back, a longer one, and the longest that is read at all."""
    sizes = {
        form_size.MAX_FORM_BYTES: 422,
        form_size.MAX_FORM_BYTES + 1: 413,
        request_parser.MAX_DROPPED_BYTES: 413,
    }
    before = megabytes(server)
    for size, status in sizes.items():
        assert send_many(server, form_of_size(size)) == {status}
        now, most = megabytes(server), megabytes(server, "VmHWM")
        with capsys.disabled():
            sys.stdout.write(
                f"\n{BODIES} bodies of {size} bytes from {CONNECTIONS} connections: "
                f"{before:.0f} MB before, {now:.0f} MB after, {most:.0f} MB at most\n"
            )
        assert most <= MAX_MEGABYTES


HEAPS = """
import ctypes, sys, threading
from registration.server import memory

if "limited" in sys.argv:
    memory.limit()
start = threading.Barrier(12)

def take():
    start.wait()
    kept.append([bytes(1000 + n) for n in range(1000)])
    start.wait()

kept, threads = [], [threading.Thread(target=take) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def heaps(*options: str) -> int:
    """Return how many heaps a process has after twelve threads have used memory at once."""
    bare = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", HEAPS, *options]
    done = subprocess.run(command, cwd=TOP, env=bare, capture_output=True, check=True)
    return done.stdout.count(b"<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="this is not glibc")
def test_threads_share_two_heaps_however_the_process_was_started():
    assert heaps() > memory.MAX_ARENAS
    assert heaps("limited") <= memory.MAX_ARENAS
