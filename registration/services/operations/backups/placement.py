"""Makes a restored file the database, at once, where there is none yet."""

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text

from ....database import Model
from ....refusals import OperatorRefusal
from .. import migration
from ..process_lock import ServiceRunning
from . import database_copy, partial_files


class DatabaseThere(OperatorRefusal):
    """There is a database already, and a restore never replaces one."""


def refuse_taken(engine: Engine) -> None:
    """Raise `DatabaseThere` if there is a database, `ServiceRunning` if others are connected."""
    if engine.dialect.name == "sqlite":
        _refuse_files(_file(engine))
        return
    with engine.connect() as connection:
        _refuse_sessions(connection)
        _refuse_tables(connection)


def file_for(engine: Engine, instance: Path) -> Path:
    """Return the file whose part is to be made: the database's own with SQLite."""
    return _file(engine) if engine.dialect.name == "sqlite" else instance / "restored.sqlite3"


def install(engine: Engine, part: Path) -> None:
    """Make the part the database, all or nothing. Raises `DatabaseThere`, OSError."""
    if engine.dialect.name == "sqlite":
        try:
            partial_files.finish(part, _file(engine))
        except FileExistsError:
            _refuse_files(_file(engine))
            raise
        return
    with (
        database_copy.open_file(part) as copy,
        copy.connect() as source,
        migration.exclusive_transaction(engine) as target,
    ):
        _refuse_tables(target)
        migration.upgrade_within(target)
        database_copy.copy_rows(source, target)
        _set_sequences(target)


def _file(engine: Engine) -> Path:
    return Path(engine.url.database or "").absolute()


def _refuse_files(database: Path) -> None:
    # SQLite would take a journal that is left there for the restored database's own.
    for end in ("", "-wal", "-shm", "-journal"):
        if os.path.lexists(f"{database}{end}"):
            raise DatabaseThere(
                f"There is a database already at {database}: "
                "move it (and its -wal and -shm) away first."
            )


def _refuse_sessions(connection: Connection) -> None:
    others = connection.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND coalesce(backend_type, '') NOT LIKE 'autovacuum%'"
        )
    )
    if others:
        raise ServiceRunning(
            f"The database has {others} other connections: "
            "stop every process of the service, and whatever else uses it."
        )


def _refuse_tables(connection: Connection) -> None:
    if inspect(connection).get_table_names():
        raise DatabaseThere(
            "The database has tables already: make a new one, and name it in DATABASE_URL."
        )


def _set_sequences(target: Connection) -> None:
    """Set the sequences, so that new ids follow the copied ones."""
    for table in Model.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            last = target.scalar(select(func.max(column)))
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            target.execute(select(func.setval(sequence, last or 1, last is not None)))
