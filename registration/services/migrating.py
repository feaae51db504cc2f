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

from ..database import phrased
from ..refusals import Refusal

# It reports each step as if it were news.
logging.getLogger("alembic").setLevel(logging.WARNING)

FOLDER = Path(__file__).parent.parent / "migrations"


class SchemaOutdated(Refusal):
    """The database's tables are older than this version of the service."""


class SchemaNewer(Refusal):
    """The database's tables were made by a newer version of the service."""


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date, all or nothing; raises `SchemaNewer`."""
    with phrased(), _locked(engine) as connection:
        _refuse_newer(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if engine.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise SchemaOutdated(f"The upgrade would break {len(broken)} references.")


def check(engine: Engine) -> None:
    """Raise `SchemaOutdated` or `SchemaNewer` unless the tables are this version's."""
    with phrased(), engine.connect() as connection:
        _refuse_newer(connection)
        if _revision(connection) != _script().get_current_head():
            raise SchemaOutdated(
                "The database is older than this version: run `flask database upgrade`."
            )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    revision = _revision(connection)
    known = {script.revision for script in _script().walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaNewer(
            f"The database was made by a newer version ({revision}): install that version. "
            "Nothing was changed."
        )


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other upgrade runs beside."""
    with engine.execution_options(writes=True).connect() as connection:
        if engine.dialect.name == "sqlite":
            # Batch operations replace tables: with foreign keys on, CASCADE empties the children.
            # It must be said before the transaction begins, so straight to the driver.
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(720231207)"))
                yield connection
        finally:
            if engine.dialect.name == "sqlite":
                driver.execute("PRAGMA foreign_keys = ON")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
