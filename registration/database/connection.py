"""Engines for SQLite and PostgreSQL.

SQLite runs in the modes that lost no data in the reliability tests: WAL with FULL synchronisation
if the loaded library is free of the WAL-reset bug (3.51.3 and later), else a truncated rollback
journal with FULL. Writers begin with BEGIN IMMEDIATE, so that none of them fails half-way.
"""

import importlib
import math
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

from .errors import DatabaseUnavailable

# How long one writer waits for another before the visitor is asked to come back. An app's
# configuration may set another value under the same name.
LOCK_TIMEOUT_SECONDS: float = 5
# A connection for each thread of the server, for the worker and the watchdog, and some to spare.
# A request that gets none is asked to come back, as when a writer blocks it.
_POOL = {"pool_size": 10, "max_overflow": 30}
# With these options libpq notices a dead server, instead of waiting for it without end.
_DEAD_PEER = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}
_FIRST_SOUND_WAL = (3, 51, 3)


def connect(
    url: str | URL,
    *,
    journal: str | None = None,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> Engine:
    """Return an engine for `url`, without connecting yet.

    `journal` is SQLite's journal mode, if it differs from the service's own.
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
        # The file's permissions are set when it is created. An existing file is never opened here:
        # closing it would drop the locks of SQLite's own connections.
        # If the file cannot be created, SQLite reports that next.
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
    """Set the journal mode, which the database file keeps.

    SQLite does not wait if two processes set it in a new file at once, so this retries.
    """
    lock_timeout_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    for _ in range(lock_timeout_ms // 50):
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == journal:
            return
        with suppress(busy):
            connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
            return
        time.sleep(0.05)


def _set_pragmas(connection: Any, journal: str) -> None:
    """Set the pragmas of durability and erasure; refuse the connection if SQLite ignores one."""
    wanted = {"synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for name, value in wanted.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    for name, needed in [("journal_mode", journal), *wanted.items()]:
        got = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if got != needed:
            raise DatabaseUnavailable(f"SQLite keeps {name} at {got} where {needed} is needed.")
