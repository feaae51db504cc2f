"""An SMTP server that fails in every way a mail server can, and says which letters it accepted.

Time passes `SPEED` times as fast here: what would be a minute takes a little more than a second.
"""

import random
import socket
import struct
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import BufferedReader

SPEED = 50
SECOND = 1 / SPEED
MINUTE = 60 * SECOND
USER, PASSWORD = "registration", "correct horse"
SIGNED_IN = b64encode(f"\0{USER}\0{PASSWORD}".encode())
# An address that begins so is refused for good at that step.
GONE = {"gone-rcpt": "RCPT", "gone-data": "DATA", "gone-body": "BODY"}
POLITE = {
    "GREETING": b"220 mail.example.org ready\r\n",
    "EHLO": b"250-mail.example.org\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
    "AUTH": b"235 welcome\r\n",
    "DATA": b"354 go on\r\n",
    "QUIT": b"221 bye\r\n",
}
LATER = (421, 450, 451, 452, 552)
CODES = {
    "GREETING": (421, 554),
    "EHLO": (421, 502),
    "AUTH": (421, 454, 535),
    "MAIL": (*LATER, 530, 550),
    "RSET": (421, 500),
    "QUIT": (421,),
}
# The most of a letter, in bytes, that is read before its connection ends.
MOST_READ = 12_000


class Fault(StrEnum):
    """A way in which the server fails to answer."""

    REFUSE = "refusal"
    HANG_UP = "no answer but the end"
    BREAK_OFF = "the beginning of an answer"
    NONSENSE = "nonsense"
    DRIP = "a byte a second"
    LATE = "an answer after a minute"


# How often each; the last two take their time.
WEIGHTS = {
    Fault.REFUSE: 40,
    Fault.HANG_UP: 30,
    Fault.BREAK_OFF: 16,
    Fault.NONSENSE: 10,
    Fault.DRIP: 2,
    Fault.LATE: 2,
}


class HungUp(Exception):
    """The server ends the conversation."""


class FaultyServer:
    """A server on a free port of loopback, of which each answer fails with probability `likely`.

    `letters` are those it accepted, with the recipient of each; `faults` counts what went wrong,
    by step and kind (a refusal by its code).
    """

    def __init__(self, seed: int, likely: float) -> None:
        self.chance, self.likely = random.Random(seed), likely
        self.letters: list[tuple[str, bytes]] = []
        self.faults: Counter[tuple[str, str]] = Counter()
        self.port = 0

    @property
    def url(self) -> str:
        """The MAIL_URL of this server."""
        return f"smtp://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultyServer":
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_listening()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection while the block runs."""
        self._stop_listening()
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, args=[self.listener])
        self.thread.start()

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            # One that is late must not keep the next client waiting.
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, suppress(OSError, HungUp):
            Conversation(self, connection, lines).run()


class Conversation:
    """One connection, from the greeting to the end that either side makes."""

    def __init__(self, server: FaultyServer, connection: socket.socket, lines: BufferedReader):
        self.server, self.connection, self.lines = server, connection, lines
        self.chance = server.chance
        self.recipient = ""

    def run(self) -> None:
        """Answer until the client leaves; raise `HungUp` if the server does."""
        self._answer("GREETING")
        for line in iter(self.lines.readline, b""):
            verb = line[:4].decode("ascii", "replace").upper()
            if verb == "RCPT":
                self.recipient = line[line.index(b"<") + 1 : line.index(b">")].decode()
            if verb == "AUTH" and line.split()[2] != SIGNED_IN:
                raise AssertionError("the client signs in with another password")
            if self._answer(verb) and verb == "DATA":
                self._take(self._content())
            if verb == "QUIT":
                return

    def _answer(self, step: str) -> bool:
        """Answer, politely or not; return whether what follows a yes may follow."""
        if self._is_gone(step):
            return False
        fault = self._fault(step)
        self._act(fault, step)
        return fault in {None, Fault.DRIP, Fault.LATE}

    def _is_gone(self, step: str) -> bool:
        """Refuse for good, if the recipient is somebody who is not there."""
        if GONE.get(self.recipient.partition(".")[0]) != step:
            return False
        self._refuse(step, self.chance.choice((550, 554)))
        return True

    def _fault(self, step: str) -> Fault | None:
        if self.chance.random() >= self.server.likely:
            return None
        fault = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if fault is not Fault.REFUSE:
            self.server.faults[step, fault] += 1
        return fault

    def _content(self) -> bytes:
        """Read a letter up to its last dot, or hang up somewhere within."""
        is_cut = self.chance.random() < self.server.likely
        end = self.chance.randrange(MOST_READ) if is_cut else None
        content = b""
        for line in iter(self.lines.readline, b".\r\n"):
            content += line
            if end is not None and len(content) >= end:
                self.server.faults["CONTENT", Fault.HANG_UP] += 1
                self._hang_up()
            if not line.endswith(b"\r\n"):
                raise HungUp  # the client left
        return content.replace(b"\r\n..", b"\r\n.")

    def _take(self, content: bytes) -> None:
        """Accept a letter, or not; a server that hangs up may have accepted it before."""
        if self._is_gone("BODY"):
            return
        fault = self._fault("BODY")
        is_open = fault in {Fault.HANG_UP, Fault.BREAK_OFF}
        if fault is not Fault.REFUSE and (not is_open or self.chance.random() < 0.5):
            self.server.letters.append((self.recipient, content))
        self._act(fault, "BODY")

    def _act(self, fault: Fault | None, step: str) -> None:
        polite = POLITE.get(step, f"250 OK <{self.recipient}>\r\n".encode())
        if fault is None:
            self.connection.sendall(polite)
        elif fault is Fault.REFUSE:
            self._refuse(step, self.chance.choice(CODES.get(step, LATER)))
        elif fault is Fault.NONSENSE:
            self.connection.sendall(self.chance.choice((b"what?\r\n", b"\xff\0\r\n", b"x" * 9000)))
        elif fault is Fault.DRIP:
            self._drip(polite)
        elif fault is Fault.LATE:
            time.sleep(MINUTE)
            self.connection.sendall(polite)
        else:
            if fault is Fault.BREAK_OFF:
                self.connection.sendall(polite[: self.chance.randrange(1, 3)])
            self._hang_up()

    def _refuse(self, step: str, code: int) -> None:
        """Say no, with the address in it, as servers do."""
        self.server.faults[step, str(code)] += 1
        self.connection.sendall(f"{code} not now, {self.recipient or 'you'}\r\n".encode())
        if code == 421 or step == "GREETING":
            raise HungUp

    def _drip(self, polite: bytes) -> None:
        """Send a byte a second: of the answer, or of one that never ends."""
        never_ends = self.chance.random() < 0.5
        while never_ends:
            self._slowly(polite[:3] + b"-wait\r\n")
        self._slowly(polite)

    def _slowly(self, said: bytes) -> None:
        for byte in said:
            self.connection.sendall(bytes([byte]))
            time.sleep(SECOND)

    def _hang_up(self) -> None:
        if self.chance.random() < 0.5:  # so that the client sees a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HungUp
