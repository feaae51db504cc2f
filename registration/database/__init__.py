"""The database: its base model, its time type, and `reading()` and `writing()`, the only ways in.

SQLite is opened as it was measured to lose nothing: WAL with FULL synchronisation where the
loaded library is free of the WAL-reset bug (3.51.3 and later), a truncated rollback journal with
FULL elsewhere. Writers begin with BEGIN IMMEDIATE, so that none of them fails half-way.
"""

import importlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import Connection, DateTime, Engine, Enum, MetaData, Table, create_engine, event
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from ..config import Settings
from ..crypto.key_ring import Ring
from ..refusals import Refusal
from .fair_lock import Turns

# How long one writer waits for another before the visitor is asked to come back; an app's
# configuration may have another under the same name.
LOCK_TIMEOUT_SECONDS: float = 5
# A connection for each thread of the server, the worker's and the watch's, and some to spare;
# whoever finds none is asked to come back, as behind a writer.
_POOL = {"pool_size": 10, "max_overflow": 30}
# libpq's ways to notice that the server's machine is gone, instead of waiting for it for good.
_DEAD_PEER = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}
_FIRST_SOUND_WAL = (3, 51, 3)
_READ_ONLY = "The database is read-only: give this user the right to write it."
_BUSY = "The database is busy; try again in a minute."
_NO_TABLES = "The database has no tables yet: run `flask database upgrade`."

log = logging.getLogger(__name__)


class DatabaseBusy(Refusal):
    """Another writer holds the database for longer than a visitor can be kept waiting."""


class DatabaseUnavailable(Refusal):
    """The database cannot be opened, read or written."""


class Model(DeclarativeBase):
    """The base of every table, with one naming convention for constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: only aware times are stored, only UTC is given back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time is no instant")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def rows(model: type[Model]) -> Table:
    """Return a model's table, for a statement without the ORM's own work."""
    return cast("Table", model.__table__)


def comparable(text: str) -> str:
    """Return text that somebody sent as the database takes it: PostgreSQL does not take the NUL
    that an address can name, and none of ours has one."""
    return text.replace("\0", "?")


def by_value(members: type[StrEnum]) -> Enum:
    """Return a column type that stores an enum by its values, as text."""
    return Enum(
        members,
        native_enum=False,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


def connect(
    url: str | URL,
    *,
    journal: str | None = None,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> Engine:
    """Return an engine for `url`. Connects to nothing yet.

    `journal` is how SQLite keeps its journal, where that is not to be as for the service.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, journal, lock_timeout_seconds)
    limits = f"-c lock_timeout={lock_timeout_seconds * 1000:.0f}ms -c timezone=UTC"
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=lock_timeout_seconds,
        connect_args={
            "options": limits,
            "connect_timeout": math.ceil(lock_timeout_seconds),
            **_DEAD_PEER,
        },
        **_POOL,
    )


def _sqlite_module() -> ModuleType:
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:  # no wheel for this platform
        return importlib.import_module("sqlite3")


def _sqlite_engine(url: str | URL, journal: str | None, lock_timeout_seconds: float) -> Engine:
    module = _sqlite_module()
    path = Path(make_url(url).database or "")
    engine = create_engine(
        url,
        module=module,
        hide_parameters=True,
        pool_timeout=lock_timeout_seconds,
        connect_args={"timeout": lock_timeout_seconds, "check_same_thread": False},
        **_POOL,
    )
    best = "wal" if module.sqlite_version_info >= _FIRST_SOUND_WAL else "truncate"

    @event.listens_for(engine, "do_connect")
    def make_private(*_: Any) -> None:
        # Who may read the file is decided when it is made; an existing one is never opened here,
        # because closing it again would drop the locks of SQLite's own connections.
        # Where it cannot be made, SQLite is about to say so.
        with suppress(OSError):
            if path.parent.is_dir() and not path.exists():
                path.touch(mode=0o600)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        _set_journal(connection, journal or best, module.OperationalError)
        _set_pragmas(connection, journal or best)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _set_journal(connection: Any, journal: str, busy: type[Exception]) -> None:
    """Set the journal mode, which a database keeps: where two open a new one at once, SQLite does
    not wait for the other."""
    lock_timeout_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    for _ in range(lock_timeout_ms // 50):
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == journal:
            return
        with suppress(busy):
            connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
            return
        time.sleep(0.05)


def _set_pragmas(connection: Any, journal: str) -> None:
    """Set what durability and erasure need, and refuse the connection if SQLite does not obey."""
    wanted = {"synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for name, value in wanted.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    for name, held in [("journal_mode", journal), *wanted.items()]:
        got = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if got != held:
            raise DatabaseUnavailable(f"SQLite keeps {name} at {got} where {held} is needed.")


def init_app(app: Flask, url: str) -> None:
    """Give `app` its engine, and the queue of its own writers."""
    lock_timeout_seconds = app.config.setdefault("LOCK_TIMEOUT_SECONDS", LOCK_TIMEOUT_SECONDS)
    app.extensions["engine"] = connect(url, lock_timeout_seconds=lock_timeout_seconds)
    app.extensions["writers"] = Turns(lock_timeout_seconds)


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
        open_keys: "Callable[[Transaction], Ring]",
    ) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.now = now
        self.settings = settings
        self._open_keys = open_keys

    @cached_property
    def keys(self) -> Ring:
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
    turns: Turns = current_app.extensions["writers"]
    # SQLite's busy handler lets waiting writers overtake each other.
    single = engine().dialect.name == "sqlite"
    if single and not turns.take():
        raise DatabaseBusy(_BUSY)
    try:
        options = engine().execution_options(writes=True)
        with phrased(), _transaction(options, now) as tx, tx.begin():
            yield tx
    finally:
        if single:
            turns.give()


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
    turns: Turns = current_app.extensions["writers"]
    return turns.held_seconds()


def scrub() -> None:
    """Empty SQLite's journal, in which erased pages can still be read.

    It waits for nobody: a checkpoint beside a long read would hold registrations up. If the
    journal is in use, in this process or another, it stays due; each round does it in any case.
    """
    if engine().dialect.name != "sqlite":
        return
    current_app.extensions["scrub is due"] = True
    connection = engine().raw_connection()
    dbapi: Any = engine().dialect.loaded_dbapi
    driver: Any = connection.driver_connection
    lock_timeout_ms = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    try:
        driver.execute("PRAGMA busy_timeout = 0")
        busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        current_app.extensions["scrub is due"] = bool(busy)
    except dbapi.Error as error:
        # What was erased is erased all the same, and whoever erased it must be told so.
        log.error("The journal cannot be emptied: %s.", error)  # noqa: TRY400
    finally:
        driver.execute(f"PRAGMA busy_timeout = {lock_timeout_ms}")
        connection.close()


def is_scrub_due() -> bool:
    """Whether the journal was in use when it was to be emptied, or has not been looked at yet."""
    is_sqlite = engine().dialect.name == "sqlite"
    return is_sqlite and bool(current_app.extensions.get("scrub is due", True))


# What drivers say (or PostgreSQL's SQLSTATE), and what it means to whoever runs the service.
_REASONS = {
    "readonly": _READ_ONLY,
    "25006": _READ_ONLY,
    "unable to open": "The database cannot be opened: does its folder exist, and may this user "
    "write there?",
    "disk is full": "The disk is full.",
    "no such table": _NO_TABLES,
    "42P01": _NO_TABLES,
    "file is not a database": "The database's file is something else: check DATABASE_URL.",
    "malformed": "The database is damaged: put back a backup.",
}


@contextmanager
def phrased() -> Iterator[None]:
    """Turn what the driver says of a busy or unusable database into a refusal."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseBusy(_BUSY) from None
    except DBAPIError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: DBAPIError) -> Refusal | None:
    """Return what is to be said of `error`; None if it is the service's own fault."""
    state, said = getattr(error.orig, "sqlstate", None), str(error.orig)
    # 55P03 is a lock waited for too long, 40P01 a deadlock that PostgreSQL ended.
    if "locked" in said or state in {"55P03", "40P01"}:
        return DatabaseBusy(_BUSY)
    for sign, sentence in _REASONS.items():
        if sign in said or sign == state:
            return DatabaseUnavailable(sentence)
    is_sql_wrong = "no such column" in said or "syntax error" in said
    if isinstance(error, OperationalError) and not is_sql_wrong:
        first = said.partition("\n")[0]
        return DatabaseUnavailable(f"The database does not answer: {first}.")
    return None
