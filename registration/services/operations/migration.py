"""Upgrades the database's schema with Alembic."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...database import phrased
from ...refusals import OperatorRefusal
from .schema import MIGRATIONS, refuse_newer

# Alembic logs every step at INFO.
logging.getLogger("alembic").setLevel(logging.WARNING)


class UpgradeFailed(OperatorRefusal):
    """The upgrade failed, and was rolled back."""


def upgrade(engine: Engine, folder: Path = MIGRATIONS) -> None:
    """Upgrade the schema by the migrations in `folder`, all or nothing.

    Raises `SchemaNewer`, `UpgradeFailed`.
    """
    with phrased(), exclusive_transaction(engine) as connection:
        upgrade_within(connection, folder)


def upgrade_within(connection: Connection, folder: Path = MIGRATIONS) -> None:
    """Upgrade the schema in the transaction that `exclusive_transaction` opened.

    Raises `SchemaNewer`, `UpgradeFailed`.
    """
    refuse_newer(connection, folder)
    config = _config(folder)
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        raise UpgradeFailed(f"The upgrade failed, and changed nothing: {said}.") from error
    _refuse_broken_references(connection)


def _refuse_broken_references(connection: Connection) -> None:
    # PostgreSQL checks them with every statement.
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise UpgradeFailed(
                f"The upgrade failed, and changed nothing: it would break {len(broken)} references."
            )


@contextmanager
def exclusive_transaction(engine: Engine) -> Iterator[Connection]:
    """Open a transaction during which no other upgrade runs."""
    with engine.execution_options(writes=True).connect() as connection:
        if engine.dialect.name == "sqlite":
            # Batch operations replace tables: with foreign keys on, CASCADE empties the children.
            # The pragma works only outside of a transaction, so it goes straight to the driver.
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            # Another upgrade may take longer than a request would wait.
            lock_timeout_ms = driver.execute("PRAGMA busy_timeout").fetchone()[0]
            driver.execute("PRAGMA busy_timeout = 60000")
        try:
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(720231207)"))
                yield connection
        finally:
            if engine.dialect.name == "sqlite":
                driver.execute("PRAGMA foreign_keys = ON")
                driver.execute(f"PRAGMA busy_timeout = {lock_timeout_ms}")


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
