"""Acts on a database, in processes of their own that are killed at a moment that can be named.

A moment is just before a statement that changes something, a commit, or a step with a part of a
file. The n-th of them is the same in every run.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from registration import config
from registration.database import connect
from registration.services.operations import schema
from registration.services.operations.backups import creation, restoration

# Forked from a process that has everything imported, and no threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", __name__])
# Python's names for what happens to files (audit events).
LINK, REMOVE, OPEN = "os.link", "os.remove", "open"


def is_killed_at(moment: int, act: Callable[..., None], *arguments: object, kind: str = "") -> bool:
    """Begin `act`, and kill it at a moment (the first is 1); False if it was over before.

    Where a `kind` of database is named, statements to others are no moments.
    """
    process = PROCESSES.Process(target=_run, args=(moment, kind, act, *arguments))
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _run(moment: int, kind: str, act: Callable[..., None], *arguments: object) -> None:
    moments = _Moments(moment, kind)
    event.listen(Engine, "before_cursor_execute", moments.execute)
    event.listen(Engine, "commit", moments.commit)
    sys.addaudithook(moments.hear)
    act(*arguments)


class _Moments:
    """Counts moments down, and kills its process at the last."""

    def __init__(self, left: int, kind: str) -> None:
        self.left, self.kind = left, kind

    def pass_one(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(self, connection: Connection) -> None:
        if connection.dialect.name.startswith(self.kind):
            self.pass_one()

    def execute(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        # To be killed before it only reads is to be killed after the last change.
        if not statement.lstrip().startswith(("SELECT", "PRAGMA")):
            self.commit(connection)

    def hear(self, name: str, values: tuple[Any, ...]) -> None:
        if name in {LINK, REMOVE} or (name == OPEN and "unfinished" in str(values[0])):
            self.pass_one()


def upgrade(url: str, folder: Path) -> None:
    """Do what `flask database upgrade` does to the tables, with the migrations in `folder`."""
    schema.upgrade(connect(url), folder)


def back_up(url: str, file: Path, now: datetime) -> None:
    """Do what `flask database backup` does."""
    creation.back_up(connect(url), file, now=now)


def restore(overrides: dict[str, str], file: Path, now: datetime) -> None:
    """Do what `flask database restore` does."""
    found = config.load({}, overrides)
    restoration.restore(connect(found.database_url), file, settings=found, now=now)
