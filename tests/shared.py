"""The installation and app that tests of one worker share for a kind of database, laid
anew before each test.

To make an app, an engine and a database for each test took more than half of all tests' time.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from registration import app_context, create_app
from registration.database.fair_lock import FairLock
from registration.services.organizers.passwords import Cost

from .postgresql import TEMPLATE, create_database, drop_database

# The least that Argon2id takes (RFC 9106, 3.1: 8 KiB a lane).
CHEAP = Cost(iterations=1, memory_kib=8)
# A lock held after its test was forgotten: do not wait for it.
OURS = "-c lock_timeout=500ms -c session_replication_role=replica"
# A digest of the catalogue rows that describe the tables, with the transaction that wrote each.
SCHEMA = text("""
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT concat(oid, ' ', xmin) AS part FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat(attrelid, ' ', attnum, ' ', xmin) FROM pg_attribute
            WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    ) AS parts
""")
END_OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
""")
RESTART_SEQUENCES = text("""
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
        FROM pg_sequences WHERE last_value IS NOT NULL
""")


class SharedDatabase:
    """A PostgreSQL database on the server at `url`, with the rows of the template."""

    def __init__(self, url: str) -> None:
        self._server, self._name = url, "shared"
        self.url = create_database(url, self._name, template=TEMPLATE)
        self._open()

    def _open(self) -> None:
        options = {"options": OURS}
        self._engine = create_engine(self.url, connect_args=options, poolclass=NullPool)
        self._tables = MetaData()
        with self._engine.begin() as connection:
            self._tables.reflect(connection)
            self._schema = connection.scalar(SCHEMA)
            every = {table: connection.execute(table.select()) for table in self._every_table()}
            self._rows = {table: found.mappings().all() for table, found in every.items()}

    def _every_table(self) -> list[Table]:
        return list(self._tables.tables.values())

    def lay_anew(self) -> None:
        """Put every row back as it was; make the database anew if that cannot be done."""
        try:
            with self._engine.begin() as connection:
                is_whole = connection.scalar(SCHEMA) == self._schema
                if is_whole:
                    self._put_rows_back(connection)
        except DBAPIError:
            is_whole = False
        if not is_whole:
            self._engine.dispose()
            drop_database(self._server, self._name)
            create_database(self._server, self._name, template=TEMPLATE)
            self._open()

    def _put_rows_back(self, connection: Connection) -> None:
        connection.execute(END_OTHERS)
        # Fifteen times as fast as TRUNCATE, which makes a new file for each table and index.
        names = [f'DELETE FROM "{table.name}"' for table in self._every_table()]
        connection.exec_driver_sql(";".join(names))
        connection.execute(RESTART_SEQUENCES)
        for table, rows in self._rows.items():
            if rows:
                connection.execute(table.insert(), [dict(row) for row in rows])

    def close(self) -> None:
        self._engine.dispose()


class SharedApp:
    """An app that is given to each test as `create_app` would return it."""

    def __init__(self, settings: dict[str, str], compiled: Path) -> None:
        self._app = app = open_app(settings, compiled)
        self._engine: Engine = app.extensions["engine"]
        extensions = dict(app.extensions)
        # After the first request Flask refuses additions to an app.
        app.test_client().get("/robots.txt")
        # The request leaves kept pages, the key ring and the secret behind.
        app.extensions.clear()
        app.extensions.update(extensions)
        app.secret_key = None
        parts = [app.config, app.extensions, app.jinja_env.globals, app.jinja_env.filters]
        self._parts = [(part, dict(part)) for part in (*parts, vars(app))]

    def fresh(self, clock: Callable) -> Flask:
        """Return it with this clock, and with nothing that an earlier test gave it."""
        for part, as_made in self._parts:
            part.clear()
            part.update(as_made)
        app = self._app
        app_context.init_app(app, app.extensions["settings"], clock)
        app.extensions["writers"] = FairLock(app.config["LOCK_TIMEOUT_SECONDS"])
        # What a test listens to on this engine ends with it; pool and compiled SQL are shared.
        app.extensions["engine"] = self._engine.execution_options()
        return app

    def disconnect(self) -> None:
        """Close every connection to the database."""
        self._engine.dispose()


class Shared:
    """An installation in `folder`, like the one in `template`, and its app.

    Its database is in the folder too, unless another is given.
    """

    def __init__(
        self, folder: Path, template: Path, compiled: Path, database: SharedDatabase | None = None
    ) -> None:
        self.folder, self._template, self._database = folder, template, database
        self.settings = {"INSTANCE": str(folder)}
        if database:
            self.settings["DATABASE_URL"] = database.url
        self._compiled = compiled
        self._apps: dict[frozenset[tuple[str, Any]], SharedApp] = {}

    def lay_anew(self) -> None:
        """Make folder and database what they are after `flask database upgrade`."""
        self._disconnect()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._database:
            self._database.lay_anew()
        shutil.copytree(self._template, self.folder)

    def app(self, clock: Callable, **settings: Any) -> Flask:
        """Return the app with these settings as `create_app` returns it: one for each settings."""
        settings = self.settings | {"CONTACT": "hosts@example.org"} | settings
        # An app reads this when it is made.
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        key = frozenset([*settings.items(), ("credentials", credentials)])
        if key not in self._apps:
            self._apps[key] = SharedApp(settings, self._compiled)
        return self._apps[key].fresh(clock)

    def _disconnect(self) -> None:
        for app in self._apps.values():
            app.disconnect()

    def close(self) -> None:
        self._disconnect()
        if self._database:
            self._database.close()


def open_app(settings: dict, compiled: Path, clock: Callable | None = None) -> Flask:
    """Make an app for tests, by default with the machine's clock."""
    app = create_app(settings, clock=clock)
    # Each app would compile every template anew.
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    app.config["ANSWER_FLOOR"] = 0.0  # one test is about it
    app.config["PASSWORD_COST"] = CHEAP  # services/organizers/test_passwords is about the full one
    return app
