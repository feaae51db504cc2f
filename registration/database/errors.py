"""Database errors as refusals: a busy or unusable database, in a sentence for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..refusals import OperatorRefusal, Refusal

_READ_ONLY = "The database is read-only: give this user the right to write it."
BUSY = "The database is busy; try again in a minute."
_NO_TABLES = "The database has no tables yet: run `flask database upgrade`."


class DatabaseBusy(OperatorRefusal):
    """Another writer holds the database for longer than a visitor can wait."""


class DatabaseUnavailable(OperatorRefusal):
    """The database cannot be opened, read or written."""


# A part of the driver's message (or PostgreSQL's SQLSTATE), and its meaning for the operator.
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
    """Turn the driver's errors about a busy or unusable database into refusals."""
    try:
        yield
    except PoolTimeout:
        raise DatabaseBusy(BUSY) from None
    except DBAPIError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: DBAPIError) -> Refusal | None:
    """Return the refusal for `error`; None if the error is a fault of the service itself."""
    state = getattr(error.orig, "sqlstate", None)
    message = str(error.orig)
    # 55P03 is a lock timeout, 40P01 a deadlock that PostgreSQL ended.
    if "locked" in message or state in {"55P03", "40P01"}:
        return DatabaseBusy(BUSY)
    for sign, sentence in _REASONS.items():
        if sign in message or sign == state:
            return DatabaseUnavailable(sentence)
    is_sql_wrong = "no such column" in message or "syntax error" in message
    if isinstance(error, OperationalError) and not is_sql_wrong:
        first_line = message.partition("\n")[0]
        return DatabaseUnavailable(f"The database does not answer: {first_line}.")
    return None
