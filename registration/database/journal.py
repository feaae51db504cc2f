"""SQLite's journal, which is emptied after an erasure because it still contains erased pages."""

import logging
from typing import Any

from flask import current_app

from .transaction import engine

log = logging.getLogger(__name__)


def scrub() -> None:
    """Empty SQLite's journal, which still contains erased pages.

    It does not wait for locks: a checkpoint beside a long read would delay registrations. If the
    journal is in use, in this process or another, emptying stays due. The hourly housekeeping does
    it in any case.
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
        # Only logged: the erasure itself succeeded, and the caller must report that.
        log.error("The journal cannot be emptied: %s.", error)  # noqa: TRY400
    finally:
        driver.execute(f"PRAGMA busy_timeout = {lock_timeout_ms}")
        connection.close()


def is_scrub_due() -> bool:
    """Whether the journal was in use at the last attempt, or none was made by this process."""
    is_sqlite = engine().dialect.name == "sqlite"
    return is_sqlite and bool(current_app.extensions.get("scrub is due", True))
