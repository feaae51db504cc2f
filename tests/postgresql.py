"""A PostgreSQL server for tests, and its databases."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

POSTGRES = Path("/usr/lib/postgresql")
# A migrated database, to be copied.
TEMPLATE = "registration_template"
# It outlives whatever a test kills: nothing of it has to reach the disk.
QUICK = " -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


@contextmanager
def cluster(binaries: Path, folder: Path, more: str = "") -> Iterator[str]:
    """Run a PostgreSQL server of its own; give its URL, without the database's name."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data = folder / "data"
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections=200"
    options += more
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(
        [*user, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        **quiet,
    )
    server = [*user, binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*server, "-o", options, "start"], **quiet)
    try:
        yield f"postgresql+psycopg://postgres@/{{name}}?host={folder}"
    finally:
        subprocess.run([*server, "-m", "immediate", "stop"], **quiet)


def create_database(url: str, name: str, template: str = "template1") -> str:
    """Create a copy of the database `template` on the server at `url`; return its URL."""
    _run(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return url.format(name=name)


def drop_database(url: str, name: str) -> None:
    """Drop a database, and close all connections to it."""
    _run(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _run(url: str, statement: str) -> None:
    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
