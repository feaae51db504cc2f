"""What tests stand on: a fresh database (SQLite and PostgreSQL), an app with a clock of its own,
visitors, and a real mail server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import create_engine

from registration import create_app, database
from registration.services import installation
from registration.services.operations import schema
from registration.services.organizers.passwords import Cost

from .machine import needs
from .mail_server import MailServer
from .visitor import Visitor

POSTGRES = Path("/usr/lib/postgresql")
# It outlives whatever a test kills: nothing of it has to reach the disk.
QUICK = " -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


# Nothing that tests write has to outlive the machine, and here it costs them a third less time.
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30


def pytest_configure() -> None:
    """Let tests, and the processes they start, keep their files in memory, if there is enough."""
    is_there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if is_there and "TMPDIR" not in os.environ and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


# The least that Argon2id takes (RFC 9106, 3.1: 8 KiB a lane).
CHEAP = Cost(iterations=1, memory_kib=8)


class Clock:
    """A clock that tests set; it stands still by itself."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("REGISTRATION_") or name in {"PORT", "FLASK_DEBUG", "FLASK_APP"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with keys and an empty, migrated SQLite database, to be copied."""
    instance = tmp_path_factory.mktemp("template")
    install(create_app({"INSTANCE": str(instance)}))
    return instance


@pytest.fixture(scope="session")
def postgres(template: Path) -> Iterator[str]:
    """A PostgreSQL server of this test run, with a migrated database to be copied; its URL."""
    binaries = sorted(POSTGRES.glob("*/bin/initdb"))
    needs(binaries, "PostgreSQL is not installed (apt install postgresql)")
    # Not below pytest's own folder, which other runs of pytest clear away.
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        folder.chmod(0o777)
        yield from _migrated(binaries[-1].parent, folder, template)


def _migrated(binaries: Path, folder: Path, template: Path) -> Iterator[str]:
    with _cluster(binaries, folder, QUICK) as url:
        migrated = _create_database(url, "registration_template")
        # The same keys for all: a copy of the template's instance fits a copy of this database.
        install(create_app({"INSTANCE": str(template), "DATABASE_URL": migrated}))
        yield url


@contextmanager
def _cluster(binaries: Path, folder: Path, more: str = "") -> Iterator[str]:
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


def _create_database(url: str, name: str, template: str = "template1") -> str:
    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    engine.dispose()
    return url.format(name=name)


def install(app: Flask) -> None:
    """Do what `flask database upgrade` does."""
    with app.app_context():
        schema.upgrade(database.engine())
        with database.writing() as session:
            installation.install(session, app.extensions["settings"].keys)
        database.engine().dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> Iterator[dict]:
    """The settings of a fresh installation: on SQLite, and again on PostgreSQL."""
    folder = tmp_path / "instance"
    shutil.copytree(template, folder)
    settings = {"INSTANCE": str(folder)}
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        name = f"test_{uuid4().hex}"
        settings["DATABASE_URL"] = _create_database(url, name, "registration_template")
    yield settings
    if request.param == "postgresql":
        engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> dict[str, str]:
    """The settings of another machine: the same keys, and no database yet."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("*.sqlite3*"))
    settings = {"INSTANCE": str(folder)}
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        settings["DATABASE_URL"] = _create_database(url, f"test_{uuid4().hex}")
    return settings


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for templates that are compiled already."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def app(instance: dict, clock: Clock, compiled: Path) -> Iterator[Flask]:
    """The service, freshly installed, with letters kept in a folder."""
    app = create_app(instance | {"CONTACT": "hosts@example.org"}, clock=clock)
    # Each app would compile every template anew.
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    app.config["ANSWER_FLOOR"] = 0.0  # one test is about it
    app.config["PASSWORD_COST"] = CHEAP  # tests/services/test_passwords.py is about the full one
    with app.app_context():
        yield app
        database.engine().dispose()


@pytest.fixture
def visitor(app: Flask, clock: Clock) -> Visitor:
    """Somebody with a browser of their own."""
    return Visitor(app, clock)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A real SMTP server, which can be told to be faulty."""
    with MailServer() as server:
        yield server
