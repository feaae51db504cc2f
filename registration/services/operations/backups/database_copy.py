"""Opens single-file SQLite databases, checks them, and copies rows between databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, insert, select

from ....database import Model, connect

# How many rows are held in memory at once.
ROWS_A_STEP = 1000


@contextmanager
def open_file(path: Path) -> Iterator[Engine]:
    """Open a SQLite database without WAL, so that all of it is in one file."""
    engine = connect(URL.create("sqlite", database=str(path)), journal="delete")
    try:
        yield engine
    finally:
        engine.dispose()


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows of all tables: both schemas are this version's, and `target` is empty."""
    for table in Model.metadata.sorted_tables:
        rows = source.execute(select(table), execution_options={"yield_per": ROWS_A_STEP})
        for part in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])


def is_intact(connection: Connection) -> bool:
    """Whether a SQLite database passes its checks of integrity and foreign keys."""
    said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    return said == "ok" and not connection.exec_driver_sql("PRAGMA foreign_key_check").first()
