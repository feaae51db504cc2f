"""Clients that send and read a byte at a time hold connections open: everybody else is served.

A third of them dribble headers, a third a form's body, and a third ask for page after page on one
connection and read the answers byte by byte.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from .. import builders
from ..server_process import Server
from .clients import FORM, TYPING, Form
from .figures import Figure, Scale
from .installations import SLUG, installed

CLIENTS = 200
# Seconds between two bytes of one client, and for how long they go on.
PAUSE = 0.5
SPAN = {Scale.BRIEF: 5.0, Scale.TENTH: 20.0, Scale.FULL: 60.0}
MOST = 1.0
PAGES = ("/", f"/discussions/{SLUG}", FORM)
# More pages than the server's system takes over for somebody who does not read them.
PIPELINED = b"GET /discussions/bloody-january HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
# Seconds in which the pages are written that slow readers have asked for.
SETTLING = 4.0
HEADERS = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Padding: " + b"a" * 10_000
BODY = (
    f"POST {FORM} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
).encode()


@dataclass
class Slow:
    """A connection that sends `said`, the last of it byte by byte, or only reads byte by byte."""

    connection: socket.socket
    said: bytes
    reads: bool
    at: int = 0

    def go_on(self) -> bool:
        """Send or read one byte; return whether the connection is still open."""
        with suppress(BlockingIOError):
            if self.reads:
                return self.connection.recv(1) != b""
            self.connection.send(self.said[self.at : self.at + 1])
            self.at += 1
        return True


@dataclass
class Crowd:
    """Slow clients, who all go on until they are stopped; `ended` were cut off by the server."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    open: list[Slow] = field(default_factory=list)
    ended: int = 0

    def come(self, number: int) -> None:
        """Connect, a third of each kind."""
        for place in range(number):
            connection = socket.socket()
            # Little fits on the way: the rest stays with the server.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", self.port))
            said, first = [(HEADERS, 60), (BODY, len(BODY)), (PIPELINED, len(PIPELINED))][place % 3]
            connection.sendall(said[:first])
            connection.settimeout(0)
            slow = Slow(connection, said + b"a" * 10_000, place % 3 == 2, first)
            self.open.append(slow)

    def go_on(self) -> None:
        """Send and read a byte of each, again and again."""
        while not self.stop.wait(PAUSE):
            self.open = [slow for slow in self.open if self._is_open(slow)]

    def _is_open(self, slow: Slow) -> bool:
        try:
            is_open = slow.go_on()
        except OSError:
            is_open = False
        self.ended += not is_open
        return is_open

    def leave(self) -> None:
        for slow in self.open:
            slow.connection.close()


def run(scale: Scale) -> Iterator[Figure]:
    """Hold connections open, and ask for pages and send forms meanwhile."""
    with ExitStack() as stack:
        made = stack.enter_context(installed("sqlite"))
        with made.seen():
            builders.publish_first()
        server = stack.enter_context(Server(made.settings, log=made.folder / "log"))
        form = Form(server)
        time.sleep(TYPING)
        crowd = Crowd(server.port)
        crowd.come(CLIENTS)
        stack.callback(crowd.leave)
        thread = threading.Thread(target=crowd.go_on)
        thread.start()
        time.sleep(SETTLING)
        try:
            pages, forms = _meanwhile(server, form, SPAN[scale])
        finally:
            crowd.stop.set()
            thread.join()
        told = f"{len(pages)} pages in at most {max(pages):.2f} s, "
        told += f"{len(forms)} forms in at most {max(forms):.2f} s"
        held = f"{len(crowd.open)} of {CLIENTS} slow clients held open, {crowd.ended} cut off"
        is_held = len(crowd.open) + crowd.ended == CLIENTS and len(crowd.open) > CLIENTS // 2
        yield Figure(held, told, is_held and max(pages + forms) < MOST)


def _meanwhile(server: Server, form: Form, span: float) -> tuple[list[float], list[float]]:
    """Return the seconds that each page and each form took."""
    pages, forms = [], []
    ends = time.monotonic() + span
    while time.monotonic() < ends:
        for path in PAGES:
            started = time.perf_counter()
            assert server.get(path).status == 200
            pages.append(time.perf_counter() - started)
        body = form.body(name="A", email=f"a{len(forms)}@example.org", affiliation="")
        started = time.perf_counter()
        assert server.ask("POST", FORM, body, **form.headers).status == 303
        forms.append(time.perf_counter() - started)
        time.sleep(0.2)
    return pages, forms
