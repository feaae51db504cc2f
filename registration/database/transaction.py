"""`reading()` and `writing()`, the only ways to the database; both yield a Transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

from flask import Flask, current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from ..config import Settings
from ..crypto.key_ring import KeyRing
from .connection import LOCK_TIMEOUT_SECONDS, connect
from .errors import BUSY, DatabaseBusy, phrased
from .fair_lock import FairLock


def init_app(app: Flask, url: str) -> None:
    """Give `app` its engine, and the queue of its own writers."""
    lock_timeout_seconds = app.config.setdefault("LOCK_TIMEOUT_SECONDS", LOCK_TIMEOUT_SECONDS)
    app.extensions["engine"] = connect(url, lock_timeout_seconds=lock_timeout_seconds)
    app.extensions["writers"] = FairLock(lock_timeout_seconds)


def engine() -> Engine:
    """Return the running app's engine."""
    found: Engine = current_app.extensions["engine"]
    return found


class Transaction(Session):
    """One use case's session, with the moment it happens at, the settings and the keys.

    Services take it first. They may flush, and never commit: whoever opened it does.
    """

    def __init__(
        self,
        bind: Engine,
        *,
        now: datetime,
        settings: Settings,
        open_keys: "Callable[[Transaction], KeyRing]",
    ) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.now = now
        self.settings = settings
        self._open_keys = open_keys

    @cached_property
    def keys(self) -> KeyRing:
        """The key ring, opened at first need and kept until the transaction ends."""
        return self._open_keys(self)

    def hold_keys(self) -> None:
        """Open the keys before rows are locked: PostgreSQL lets a rotation wait for whoever holds
        them, and it locks the same rows afterwards."""
        _ = self.keys

    @property
    def is_writing(self) -> bool:
        """Whether `writing` opened it."""
        return bool(self.get_bind().get_execution_options().get("writes"))


@contextmanager
def reading(*, now: datetime | None = None) -> Iterator[Transaction]:
    """Open a transaction that sees one state of the database and changes nothing.

    It happens at `now`, or at what the app's clock says when the block begins.
    """
    source = engine()
    if source.dialect.name == "postgresql":
        # By default each of its statements sees a state of its own.
        source = source.execution_options(isolation_level="REPEATABLE READ")
    with phrased(), _transaction(source, now) as tx:
        yield tx


@contextmanager
def writing(*, now: datetime | None = None) -> Iterator[Transaction]:
    """Open a transaction whose changes are durable when the block ends, or undone if it raises.

    It happens at `now`, or at what the app's clock says when the block begins.
    Raises `DatabaseBusy` when another writer does not finish within LOCK_TIMEOUT_SECONDS.
    """
    lock: FairLock = current_app.extensions["writers"]
    # SQLite's busy handler lets waiting writers overtake each other.
    single = engine().dialect.name == "sqlite"
    if single and not lock.acquire():
        raise DatabaseBusy(BUSY)
    try:
        options = engine().execution_options(writes=True)
        with phrased(), _transaction(options, now) as tx, tx.begin():
            yield tx
    finally:
        if single:
            lock.release()


def _transaction(source: Engine, now: datetime | None) -> Transaction:
    extensions = current_app.extensions
    return Transaction(
        source,
        now=now or extensions["clock"](),
        settings=extensions["settings"],
        open_keys=extensions["keys of a transaction"],
    )


def writing_seconds() -> float:
    """Return for how long a writer of this process has held SQLite's database; 0 for none."""
    lock: FairLock = current_app.extensions["writers"]
    return lock.held_seconds()
