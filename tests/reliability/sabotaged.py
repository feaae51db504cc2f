"""`flask`, with one thing of the app replaced: the faults that `make crash` must find.

`python -m tests.reliability.sabotaged <replacement> <words of flask>...`
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from flask.cli import main
from sqlalchemy import event
from sqlalchemy.orm import Session

from registration import outbox
from registration.database import connection


def older_sqlite() -> None:
    """Load the standard library's SQLite, as where pysqlite3 has no wheel. This is no fault."""
    sys.modules["pysqlite3.dbapi2"] = None


def sleep_by_waiting() -> None:
    """Sleep without clock_nanosleep, which libfaketime 0.9.10 breaks. This is no fault either."""
    time.sleep = lambda seconds: threading.Event().wait(seconds)


def synchronous_off() -> None:
    """Let SQLite never wait for the disk, after the service has read back that it does."""
    set_pragmas = connection._set_pragmas

    def deceiving(connection: Any, journal: str) -> None:
        set_pragmas(connection, journal)
        connection.execute("PRAGMA synchronous = OFF")

    connection._set_pragmas = deceiving


def second_transaction() -> None:
    """Post every letter in a transaction of its own, after the one that it belongs to."""
    post = outbox.post

    def put_off(tx: Session, *owed: Any, **how: Any) -> None:
        tx.info.setdefault("owed", []).append((owed, how))

    def post_now(committed: Session) -> None:
        if committed.in_nested_transaction():
            return
        for owed, how in committed.info.pop("owed", []):
            with Session(committed.get_bind()) as second, second.begin():
                post(second, *owed, **how)

    outbox.post = put_off
    event.listen(Session, "after_commit", post_now)


REPLACEMENTS: dict[str, Callable[[], None]] = {
    "older_sqlite": older_sqlite,
    "second_transaction": second_transaction,
    "sleep_by_waiting": sleep_by_waiting,
    "synchronous_off": synchronous_off,
}


def program(replacement: str) -> tuple[str, ...]:
    """Return the command that runs `flask` with `replacement`, for `Server` and `flask`."""
    return (sys.executable, "-m", __name__, replacement)


if __name__ == "__main__":
    REPLACEMENTS[sys.argv.pop(1)]()
    main()
