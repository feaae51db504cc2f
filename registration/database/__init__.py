"""The database: base model, engine, and the transactions of `reading()` and `writing()`."""

from .connection import LOCK_TIMEOUT_SECONDS, connect
from .errors import DatabaseBusy, DatabaseUnavailable, phrased
from .journal import is_scrub_due, scrub
from .model import (
    Model,
    UtcDateTime,
    UtcMinute,
    by_value,
    comparable,
    table_of,
    to_minute,
    to_next_minute,
)
from .transaction import (
    Transaction,
    engine,
    init_app,
    reading,
    upsert_into,
    writing,
    writing_seconds,
)

__all__ = [
    "LOCK_TIMEOUT_SECONDS",
    "DatabaseBusy",
    "DatabaseUnavailable",
    "Model",
    "Transaction",
    "UtcDateTime",
    "UtcMinute",
    "by_value",
    "comparable",
    "connect",
    "engine",
    "init_app",
    "is_scrub_due",
    "phrased",
    "reading",
    "scrub",
    "table_of",
    "to_minute",
    "to_next_minute",
    "upsert_into",
    "writing",
    "writing_seconds",
]
