"""SQLite's journal: it is emptied after an erasure, because erased pages can be read in it."""

import logging
from typing import Any

from flask import current_app

from .transaction import engine

log = logging.getLogger(__name__)


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
