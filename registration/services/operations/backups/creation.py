"""Backs the database up while the service runs, SQLite or PostgreSQL, into one SQLite file.

Personal data in it is sealed as in the database; the file contains no key.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, update
from sqlalchemy.exc import OperationalError

from ....database import Transaction, phrased
from ....models import Installation
from ....refusals import OperatorRefusal
from .. import migration, schema
from . import database_copy, partial_files


class NotBackedUp(OperatorRefusal):
    """The backup was not made, and no part of it is left."""


def back_up(engine: Engine, file: Path, *, now: datetime) -> None:
    """Write everything that is committed now to `file`, which appears whole or not at all.

    It does not block writers. Raises `NotBackedUp`, `SchemaOutdated`, `SchemaNewer`,
    `PartThere`.
    """
    schema.check(engine)
    _refuse_taken(engine, file)
    try:
        with partial_files.part_of(file) as part:
            with phrased(), database_copy.open_file(part) as copy:
                _fill(engine, copy)
                _finish(copy, now)
            partial_files.finish(part, file)
    except FileExistsError:
        raise _taken(file) from None
    except OSError as error:
        raise NotBackedUp(f"{file} cannot be written: {error.strerror}.") from None


def note_backup(tx: Transaction) -> None:
    """Note in the database that it was backed up now."""
    tx.execute(update(Installation).values(last_backup_at=tx.now))


def _refuse_taken(engine: Engine, file: Path) -> None:
    if not file.name or file.is_dir():
        raise NotBackedUp(f"{file} is a folder: name a file.")
    live = Path(engine.url.database or "").absolute()
    # SQLite would take a file of that name for its own.
    beside = {live.with_name(f"{live.name}{end}") for end in ("-wal", "-shm", "-journal")}
    if os.path.lexists(file) or file.absolute() in beside:
        raise _taken(file)


def _taken(file: Path) -> NotBackedUp:
    return NotBackedUp(f"{file} exists already: choose another name.")


def _fill(engine: Engine, copy: Engine) -> None:
    if engine.dialect.name == "sqlite":
        _copy_pages(engine, copy)
    else:
        migration.upgrade(copy)
        snapshot = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with snapshot.connect() as source, copy.begin() as target:
            database_copy.copy_rows(source, target)


def _copy_pages(engine: Engine, copy: Engine) -> None:
    dbapi: Any = engine.dialect.loaded_dbapi
    source, target = engine.raw_connection(), copy.raw_connection()
    live: Any = source.driver_connection
    try:
        # In one step: with several, each write in between would start the copy again.
        live.backup(target.driver_connection, pages=-1)
    except dbapi.Error as error:
        raise OperationalError("backup", None, error) from error
    finally:
        source.close()
        target.close()
    # The copy is in WAL mode now, as the live one is; the next connection makes it one file.
    copy.dispose()


def _finish(copy: Engine, now: datetime) -> None:
    """Note in the backup when it was made, and check that it is intact."""
    with copy.begin() as connection:
        connection.execute(update(Installation).values(last_backup_at=now))
    with copy.connect() as connection:
        if not database_copy.is_intact(connection):
            raise NotBackedUp("The database is damaged: restore the last backup before this.")
