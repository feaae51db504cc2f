"""Checks whether the database's schema is this version's.

Every process does this before its first use of the database. So it reads Alembic's table and the
names of the migrations, without Alembic itself, which takes longer to import than the rest of a
command (see `migration`).
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ...database import phrased
from ...refusals import OperatorRefusal

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class SchemaOutdated(OperatorRefusal):
    """The database's tables are older than this version of the service."""


class SchemaNewer(OperatorRefusal):
    """The database's tables were made by a newer version of the service."""


def check(engine: Engine) -> None:
    """Raise `SchemaOutdated` or `SchemaNewer` unless the tables are this version's."""
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        # Connecting would make an empty database, perhaps beside the one that was meant.
        raise SchemaOutdated(
            f"There is no database at {engine.url.database} yet: run `flask database upgrade`."
        )
    with phrased(), engine.connect() as connection:
        refuse_newer(connection, MIGRATIONS)
        revision = _revision(connection)
    if revision is None:
        raise SchemaOutdated("The database has no tables yet: run `flask database upgrade`.")
    if revision != revisions(MIGRATIONS)[-1]:
        raise SchemaOutdated(
            "The database is older than this version: run `flask database upgrade`."
        )


def refuse_newer(connection: Connection, migrations: Path) -> None:
    """Raise `SchemaNewer` if the tables were made by a migration that is not in `migrations`."""
    revision = _revision(connection)
    if revision is not None and revision not in revisions(migrations):
        raise SchemaNewer(
            f"The database was made by a newer version ({revision}): install that version. "
            "Nothing was changed."
        )


def revisions(migrations: Path) -> list[str]:
    """Return the revisions in a folder of migrations, in order: 0008 of 0008_drafts.py."""
    files = (migrations / "versions").glob("[0-9]*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
