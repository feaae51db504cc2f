"""Copies databases: into one SQLite file, or row by row from one kind to the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, insert, select

from ....database import Model, connect

# How many rows are held in memory at once.
ROWS_A_STEP = 1000


@contextmanager
def open_file(path: Path) -> Iterator[Engine]:
    """Open a SQLite file so that, when it is closed, all of it is in that one file."""
    engine = connect(URL.create("sqlite", database=str(path)), journal="delete")
    try:
        yield engine
    finally:
        engine.dispose()


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows of all tables, which are this version's on both sides and empty in `target`."""
    for table in Model.metadata.sorted_tables:
        found = source.execute(select(table), execution_options={"yield_per": ROWS_A_STEP})
        for part in found.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])


def is_intact(connection: Connection) -> bool:
    """Whether a SQLite file is whole, and every reference in it leads somewhere."""
    said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    return said == "ok" and not connection.exec_driver_sql("PRAGMA foreign_key_check").first()
