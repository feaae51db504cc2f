"""Upgrades the database's schema with Alembic."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...crypto.key_ring import KeyRing, KeysRefused
from ...database import phrased
from ...refusals import OperatorRefusal
from .schema import MIGRATIONS, refuse_newer

# Alembic logs every step at INFO.
logging.getLogger("alembic").setLevel(logging.WARNING)


class UpgradeFailed(OperatorRefusal):
    """The upgrade failed, and was rolled back."""


# Returns the ring that seals with the key of this fingerprint, or raises `KeysRefused`.
RingOf = Callable[[str], KeyRing]


def upgrade(engine: Engine, folder: Path = MIGRATIONS, *, ring_of: RingOf | None = None) -> None:
    """Upgrade the schema by the migrations in `folder`, all or nothing.

    `ring_of` is needed where there is personal data: some migrations seal it anew. Raises
    `SchemaNewer`, `UpgradeFailed`, `KeysRefused`, `SealBroken`.
    """
    with phrased(), exclusive_transaction(engine) as connection:
        upgrade_within(connection, folder, ring_of=ring_of)


def upgrade_within(
    connection: Connection, folder: Path = MIGRATIONS, *, ring_of: RingOf | None = None
) -> None:
    """Upgrade the schema in the transaction that `exclusive_transaction` opened.

    Raises as `upgrade` does.
    """
    refuse_newer(connection, folder)
    config = _config(folder)
    config.attributes["connection"] = connection
    config.attributes["seal_anew"] = _SealAnew(ring_of)
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        raise UpgradeFailed(f"The upgrade failed, and changed nothing: {said}.") from error
    _refuse_broken_references(connection)


class _SealAnew:
    """What migrations use to add fields to sealed values; it opens the ring when it is needed."""

    def __init__(self, ring_of: RingOf | None) -> None:
        self._ring_of = ring_of
        self._ring: KeyRing | None = None

    def __call__(
        self, connection: Connection, sealed: bytes, fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the columns of the value with `fields` added, sealed with the current key."""
        if self._ring is None:
            if self._ring_of is None:
                raise KeysRefused("The upgrade seals personal data anew, and was given no keys.")
            wanted = text("SELECT key_fingerprint FROM installation")
            self._ring = self._ring_of(connection.execute(wanted).scalar_one())
        stored = json.loads(self._ring.unseal(sealed)) | fields
        anew = self._ring.seal(json.dumps(stored, ensure_ascii=False).encode())
        return {"sealed": anew, "key_id": self._ring.current}


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
