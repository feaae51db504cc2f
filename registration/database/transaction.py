"""`reading()` and `writing()`: all access to the database; both yield a `Transaction`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from flask import Flask, current_app
from sqlalchemy import Engine, Table, dialects
from sqlalchemy.orm import Session

from ..config import Settings
from ..crypto.key_ring import KeyRing
from .connection import LOCK_TIMEOUT_SECONDS, connect
from .errors import BUSY, DatabaseBusy, phrased
from .fair_lock import FairLock


def init_app(app: Flask, url: str) -> None:
    """Give `app` its engine, and the lock on which its writers queue."""
    lock_timeout_seconds = app.config.setdefault("LOCK_TIMEOUT_SECONDS", LOCK_TIMEOUT_SECONDS)
    app.extensions["engine"] = connect(url, lock_timeout_seconds=lock_timeout_seconds)
    app.extensions["writers"] = FairLock(lock_timeout_seconds)


def engine() -> Engine:
    """Return the running app's engine."""
    current: Engine = current_app.extensions["engine"]
    return current


class Transaction(Session):
    """The session of one use case, with its time (`now`), the settings and the keys.

    It is the first parameter of a service. Services may flush, but never commit: the caller that
    opened the transaction commits.
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
        self._keys: KeyRing | None = None

    @property
    def keys(self) -> KeyRing:
        """The key ring, opened at first use and kept until the transaction ends."""
        # No cached_property: in Python 3.11 all instances share its lock, so one transaction that
        # waits for a key rotation would hold up every other.
        if self._keys is None:
            self._keys = self._open_keys(self)
        return self._keys

    def hold_keys(self) -> None:
        """Open the keys before any rows are locked.

        On PostgreSQL a key rotation waits for transactions that hold the keys, and then locks the
        same rows: the other order would deadlock.
        """
        _ = self.keys

    @property
    def is_writing(self) -> bool:
        """Whether `writing` opened this transaction."""
        return bool(self.get_bind().get_execution_options().get("writes"))


@contextmanager
def reading(*, now: datetime | None = None) -> Iterator[Transaction]:
    """Open a transaction that sees one snapshot of the database and changes nothing.

    `tx.now` is `now`, or the time of the app's clock when the block begins.
    """
    source = engine()
    if source.dialect.name == "postgresql":
        # By default each statement sees its own snapshot.
        source = source.execution_options(isolation_level="REPEATABLE READ")
    with phrased(), _transaction(source, now) as tx:
        yield tx


@contextmanager
def writing(*, now: datetime | None = None) -> Iterator[Transaction]:
    """Open a transaction whose changes are durable when the block ends, or undone if it raises.

    `tx.now` is `now`, or the time of the app's clock when the block begins.
    Raises `DatabaseBusy` if another writer does not finish within LOCK_TIMEOUT_SECONDS.
    """
    lock: FairLock = current_app.extensions["writers"]
    # SQLite's busy handler lets waiting writers overtake each other.
    has_single_writer = engine().dialect.name == "sqlite"
    if has_single_writer and not lock.acquire():
        raise DatabaseBusy(BUSY)
    try:
        options = engine().execution_options(writes=True)
        with phrased(), _transaction(options, now) as tx, tx.begin():
            yield tx
    finally:
        if has_single_writer:
            lock.release()


def upsert_into(tx: Transaction, table: Table) -> Any:
    """Return an INSERT with ON CONFLICT, of the dialect in use, which is imported already. Naming
    both dialects would import PostgreSQL's into every command."""
    return getattr(dialects, tx.get_bind().dialect.name).insert(table)


def _transaction(source: Engine, now: datetime | None) -> Transaction:
    extensions = current_app.extensions
    return Transaction(
        source,
        now=now or extensions["clock"](),
        settings=extensions["settings"],
        open_keys=extensions["keys of a transaction"],
    )


def writing_seconds() -> float:
    """Return for how long the current writer of this process has held SQLite; 0 without one."""
    lock: FairLock = current_app.extensions["writers"]
    return lock.held_seconds()
