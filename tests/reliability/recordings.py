"""Recordings of the SQLite files of the shipped server while clients register and erase."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import select

from registration.database import reading
from registration.models import Letter

from .. import builders
from ..server_process import Server
from . import traces
from .clients import FORM, TYPING, Form
from .installations import Installation
from .traces import Moment

DATABASE = "registration.sqlite3"
NAMES = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-journal"}
CLIENTS = 4
PATIENCE = 60.0  # in seconds
ERASED = 3


class Act(Enum):
    """A kind of request."""

    REGISTER = "register"
    ERASE = "erase"


@dataclass(slots=True)
class Promises:
    """Knowledge of the clients at a moment: addresses asked for, acknowledged, and erased."""

    asked: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    def ask(self, act: Act, address: str) -> None:
        """Take in that a request has arrived: from now on either may be true."""
        if act is Act.REGISTER:
            self.asked.add(address)
        else:
            self.kept.discard(address)

    def acknowledge(self, act: Act, address: str) -> None:
        """Take in that the answer is on its way: from now on it must be true."""
        (self.kept if act is Act.REGISTER else self.erased).add(address)


@dataclass(slots=True)
class Recording:
    """The files as they were, what happened to them, and what each connection asked for.

    `marks` are bytes that stood in the files of those who were erased.
    """

    folder: str
    contents: dict[str, bytes]
    moments: list[Moment]
    asked: dict[int, list[tuple[Act, str]]]
    marks: dict[str, list[bytes]]

    @property
    def files(self) -> set[str]:
        """The paths whose changes matter: the files and their folder."""
        return {self.folder} | {f"{self.folder}/{name}" for name in NAMES}

    def steps(self) -> Iterator[tuple[Moment, Promises]]:
        """Yield the events one after the other, each with the promises made by then."""
        promises, files = Promises(), self.files
        arriving = {port: deque(acts) for port, acts in self.asked.items()}
        answering = {port: deque(acts) for port, acts in self.asked.items()}
        for moment in self.moments:
            call = moment.call
            if call.name == "recvfrom" and moment.has_ended and call.data.startswith(b"POST "):
                promises.ask(*arriving[call.port].popleft())
            elif call.name == "sendto" and not moment.has_ended:
                if not call.data.startswith(b"HTTP/1.1 303 "):
                    continue
                promises.acknowledge(*answering[call.port].popleft())
            elif call.file not in files:
                continue
            yield moment, promises
        assert not any(answering.values()), "an answer is missing in the trace"


class Caller:
    """Somebody with one kept connection, of which every request is answered by 303."""

    def __init__(self, name: str, server: Server, form: Form) -> None:
        self.name, self.form = name, form
        self.acts: list[tuple[Act, str]] = []
        self.marks: dict[str, list[bytes]] = {}
        self.connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.connection.connect()
        self.port: int = self.connection.sock.getsockname()[1]

    def register(self, number: int) -> None:
        """Register so many new addresses."""
        for _ in range(number):
            address = f"{self.name}.{len(self.acts)}@example.org"
            body = self.form.body(name="Aigerim", email=address, affiliation="")
            self._post(FORM, body, Act.REGISTER, address)

    def erase(self, made: Installation) -> None:
        """Erase what was registered last."""
        addresses = [address for _act, address in self.acts[-ERASED:]]
        with made.seen():
            tokens = [builders.attendee(address).token for address in addresses]
            rows = [builders.registration_of(address) for address in addresses]
            seen = [builders.seen(token) for token in tokens]
        for address, token, row, digest in zip(addresses, tokens, rows, seen, strict=True):
            # The rest of a sealed value may lie on another page.
            self.marks[address] = [row.address_index, row.sealed[:100]]
            path = f"/registrations/{token}/erase"
            self._post(path, self.form.body(seen=digest), Act.ERASE, address)

    def _post(self, path: str, body: bytes, act: Act, address: str) -> None:
        self.acts.append((act, address))
        self.connection.request("POST", path, body, self.form.headers)
        with self.connection.getresponse() as answer:
            answer.read()
        assert answer.status == 303, f"{act.value} is answered by {answer.status}"


def record(made: Installation, registrations: int, program: tuple[str, ...]) -> Recording:
    """Let clients register, erase and register again; `program` runs as `flask`, traced."""
    folder, log = Path(made.settings["INSTANCE"]), made.folder / "trace"
    contents = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).exists()}
    program = (*traces.program(log), *program)
    with Server(made.settings, log=made.folder / "log", program=program) as server:
        form = Form(server)
        time.sleep(TYPING)
        callers = [Caller(f"caller{n}", server, form) for n in range(CLIENTS)]
        each = registrations // CLIENTS // 2
        for _ in range(2):
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda caller: caller.register(each), callers))
            # With nothing left to send, nothing else writes: the journal stays empty once it is.
            _wait_until(lambda: _is_all_sent(made))
            callers[0].erase(made)
            _wait_until(lambda: not any(path.stat().st_size for path in folder.glob("*-wal")))
        for caller in callers:
            caller.connection.close()
    moments = traces.finished(log, server.process.pid)
    written = b"".join(moment.call.data for moment in moments if moment.call.name == "pwrite64")
    assert all(mark in written for marks in callers[0].marks.values() for mark in marks)
    asked = {caller.port: caller.acts for caller in callers}
    return Recording(str(folder), contents, moments, asked, callers[0].marks)


def _is_all_sent(made: Installation) -> bool:
    with made.seen(), reading() as tx:
        return not tx.scalars(select(Letter.id).where(Letter.sent_at.is_(None))).all()


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "the worker does not come to its end"
        time.sleep(0.1)
