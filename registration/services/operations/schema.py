"""Brings the database's tables up to date, and tells when they are not."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...database import phrased
from ...refusals import Refusal

# It reports each step as if it were news.
logging.getLogger("alembic").setLevel(logging.WARNING)

FOLDER = Path(__file__).parents[2] / "migrations"


class SchemaOutdated(Refusal):
    """The database's tables are older than this version of the service."""


class SchemaNewer(Refusal):
    """The database's tables were made by a newer version of the service."""


class UpgradeFailed(Refusal):
    """Bringing the tables up to date went wrong, and was undone."""


def upgrade(engine: Engine, folder: Path = FOLDER) -> None:
    """Bring the tables up to date by the migrations in `folder`, all or nothing.

    Raises `SchemaNewer`, `UpgradeFailed`.
    """
    with phrased(), alone(engine) as connection:
        upgrade_within(connection, folder)


def upgrade_within(connection: Connection, folder: Path = FOLDER) -> None:
    """Bring the tables up to date in the transaction that `alone` opened.

    Raises `SchemaNewer`, `UpgradeFailed`.
    """
    config = _config(folder)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        raise UpgradeFailed(f"The upgrade failed, and changed nothing: {said}.") from error
    _refuse_broken_references(connection)


def _refuse_broken_references(connection: Connection) -> None:
    # PostgreSQL has checked them all along.
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise UpgradeFailed(
                f"The upgrade failed, and changed nothing: it would break {len(broken)} references."
            )


def check(engine: Engine) -> None:
    """Raise `SchemaOutdated` or `SchemaNewer` unless the tables are this version's."""
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        # Connecting would make an empty one, perhaps beside the one that was meant.
        raise SchemaOutdated(
            f"There is no database at {engine.url.database} yet: run `flask database upgrade`."
        )
    scripts = ScriptDirectory.from_config(_config(FOLDER))
    with phrased(), engine.connect() as connection:
        _refuse_newer(connection, scripts)
        if _revision(connection) is None:
            raise SchemaOutdated("The database has no tables yet: run `flask database upgrade`.")
        if _revision(connection) != scripts.get_current_head():
            raise SchemaOutdated(
                "The database is older than this version: run `flask database upgrade`."
            )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    revision = _revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaNewer(
            f"The database was made by a newer version ({revision}): install that version. "
            "Nothing was changed."
        )


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other upgrade runs beside."""
    with engine.execution_options(writes=True).connect() as connection:
        if engine.dialect.name == "sqlite":
            # Batch operations replace tables: with foreign keys on, CASCADE empties the children.
            # It must be said before the transaction begins, so straight to the driver.
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            # Another upgrade may take longer than a visitor would wait.
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
