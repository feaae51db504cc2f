"""Fresh installations to be broken: on SQLite, or on a PostgreSQL of their own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask

from registration import app_context, create_app, database, outbox

from .. import builders
from ..conftest import install
from ..postgresql import POSTGRES, cluster, create_database
from .figures import Figure

# No limit of forms or letters is what is tried here.
UNLIMITED = {"FORMS_AN_HOUR": "1000000", "LETTERS_AN_HOUR": "1000000"}
SLUG = "water"
SHORTEST_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A PostgreSQL server as processes that can be killed; `folder` holds its data and socket."""

    binaries: Path
    folder: Path

    @property
    def _pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split("\n")[0])

    def crash(self, number: signal.Signals) -> None:
        """End it by SIGQUIT, which it passes on, or every one of its processes by SIGKILL."""
        postmaster = self._pid
        processes = [postmaster]
        if number is signal.SIGKILL:
            children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
            processes += map(int, children.split())
        for process in processes:
            try:
                os.kill(process, number)
            except ProcessLookupError:  # a connection that has just ended
                continue
        while Path(f"/proc/{postmaster}").exists():
            time.sleep(SHORTEST_PAUSE)

    def start(self) -> None:
        """Start it again, and wait until it has recovered."""
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, self.binaries / "pg_ctl", "-D", self.folder / "data", "-w"]
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        options += " -c max_connections=200"
        subprocess.run(
            [*command, "-l", self.folder / "log", "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )


@dataclass(slots=True)
class Clock:
    """The clock of this machine, or one that is `ahead`."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return app_context.utc_now() + self.ahead


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation; `settings` as `Server` takes them, `app` the same seen from here."""

    kind: str
    settings: dict[str, str]
    folder: Path
    app: Flask
    clock: Clock
    postmaster: Postmaster | None = None

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Look into the database; no connection of this process is left open."""
        with self.app.app_context():
            try:
                yield
            finally:
                database.engine().dispose()

    def drain(self) -> None:
        """Deliver whatever is owed, as if every lease had ended: also what was in hand."""
        self.clock.ahead = 2 * outbox.LEASE
        with self.seen():
            while builders.deliver():
                pass
        self.clock.ahead = timedelta()


@contextmanager
def installed(kind: str, folder: Path | None = None, **settings: str) -> Iterator[Installation]:
    """Make an installation of `kind` with one open discussion; below `folder`, if there is one."""
    with TemporaryDirectory(prefix="crash-", dir=folder, ignore_cleanup_errors=True) as made:
        place = Path(made)
        (place / "instance").mkdir(mode=0o700)
        named = {"INSTANCE": str(place / "instance")} | UNLIMITED | settings
        if kind == "sqlite":
            yield _publish(kind, named, place)
            return
        # PostgreSQL runs as a user of its own.
        place.chmod(0o777)
        binaries = sorted(POSTGRES.glob("*/bin/initdb"))[-1].parent
        with cluster(binaries, place) as url:
            named["DATABASE_URL"] = create_database(url, "registration")
            yield _publish(kind, named, place, Postmaster(binaries, place))


def _publish(
    kind: str, settings: dict[str, str], folder: Path, postmaster: Postmaster | None = None
) -> Installation:
    # A whole number in the environment is text, and here a number.
    typed = {name: int(text) if text.isdigit() else text for name, text in settings.items()}
    clock = Clock()
    app = create_app(typed, clock=clock)
    made = Installation(kind, settings, folder, app, clock, postmaster)
    install(app)
    with made.seen():
        builders.publish(builders.file('registration = "open"'))
    return made


def has_postgres() -> bool:
    """Whether there is a PostgreSQL to break."""
    return bool(list(POSTGRES.glob("*/bin/initdb")))


def skipped(what: str, lack: str) -> Figure:
    """Return a figure of what was not tried; it does not hold where CI promises to skip nothing."""
    return Figure(what, f"skipped: {lack}", os.environ.get("CI") != "true")
