"""A real server: `flask serve` as a process of its own, on a free port, with its output."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

TOP = Path(__file__).parent.parent
FLASK = (sys.executable, "-m", "flask")


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment, with `settings` as the service reads them."""
    named = {f"REGISTRATION_{name}": value for name, value in settings.items()}
    return os.environ | named | {"PYTHONDONTWRITEBYTECODE": "1"}


def flask(settings: dict[str, str], *words: str, before: tuple[str, ...] = (), **how: Any):
    """Run a `flask` command as a process of its own, to its end; `before` it, another program."""
    return subprocess.run(
        [*before, *FLASK, *words],
        cwd=TOP,
        env=environment(settings),
        capture_output=True,
        timeout=60,
        **how,
    )


def free_port() -> int:
    """Return a port of loopback that nobody uses at the moment."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Answer(HTTPResponse):
    """An answer with its body as text."""

    text: str


class Server:
    """`flask serve` in a process; in a `with` block it answers, and is ended with it.

    `program` runs what it is given as `flask` would.
    """

    def __init__(
        self,
        settings: dict[str, str],
        *options: str,
        log: Path,
        program: tuple[str, ...] = FLASK,
    ) -> None:
        self.settings, self.options, self.log, self.program = settings, options, log, program
        self.port = free_port()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["serve", "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, *words],
                cwd=TOP,
                env=environment(self.settings),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self.process.poll() is None, f"the server ended:\n{self.output}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.output}"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            host = urlsplit(self.settings.get("PUBLIC_URL", self.root)).netloc
            return self.get("/robots.txt", Host=host).status == 200
        except OSError:
            return False

    @property
    def output(self) -> str:
        """Everything it has written, standard output and error."""
        return self.log.read_text()

    def get(self, path: str, **headers: str) -> "Answer":
        """Ask for a page; `.text` is its body."""
        return self.ask("GET", path, None, **headers)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> "Answer":
        """Send one request over a connection of its own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.response_class = Answer
            connection.request(method, path, body, named)
            answer = cast("Answer", connection.getresponse())
            answer.text = answer.read().decode()
            return answer

    def kill(self) -> None:
        """End it as a power cut would end it."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        """Wait until it has ended, and return its exit status."""
        return self.process.wait(seconds)
