"""Fixtures of all tests: a fresh database (SQLite and PostgreSQL), an app with a clock of its own,
visitors, and a real mail server."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from flask import Flask

from registration import create_app, database
from registration.services import installation
from registration.services.operations import migration
from registration.text import languages

from .machine import require
from .mail_server import MailServer
from .marked import Marked
from .postgresql import POSTGRES, QUICK, TEMPLATE, cluster, create_database
from .shared import Shared, SharedDatabase
from .visitor import Visitor

# Files of tests need not outlive the machine; in memory the tests take a third less time.
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30


def pytest_configure() -> None:
    """Let tests, and the processes they start, keep their files in memory, if there is enough."""
    is_there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if is_there and "TMPDIR" not in os.environ and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


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
    require(binaries, "PostgreSQL is not installed (apt install postgresql)")
    # Not below pytest's own folder, which other runs of pytest clear away.
    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        folder.chmod(0o777)
        yield from _migrated(binaries[-1].parent, folder, template)


def _migrated(binaries: Path, folder: Path, template: Path) -> Iterator[str]:
    with cluster(binaries, folder, QUICK) as url:
        migrated = create_database(url, TEMPLATE)
        # The same keys for all: a copy of the template's instance fits a copy of this database.
        install(create_app({"INSTANCE": str(template), "DATABASE_URL": migrated}))
        yield url


def install(app: Flask) -> None:
    """Do what `flask database upgrade` does."""
    with app.app_context():
        migration.upgrade(database.engine())
        with database.writing() as tx:
            installation.install(tx, app.extensions["settings"].keys)
        database.engine().dispose()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for templates that are compiled already."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session")
def shared_sqlite(
    tmp_path_factory: pytest.TempPathFactory, template: Path, compiled: Path
) -> Iterator[Shared]:
    """This worker's installation on SQLite, reset before each test."""
    folder = tmp_path_factory.mktemp("sqlite") / "instance"
    found = Shared(folder, template, compiled)
    yield found
    found.close()


@pytest.fixture(scope="session")
def shared_postgresql(
    tmp_path_factory: pytest.TempPathFactory, template: Path, compiled: Path, postgres: str
) -> Iterator[Shared]:
    """This worker's installation on PostgreSQL, reset before each test."""
    folder = tmp_path_factory.mktemp("postgresql") / "instance"
    found = Shared(folder, template, compiled, SharedDatabase(postgres))
    yield found
    found.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a fresh installation: on SQLite, and again on PostgreSQL."""
    shared: Shared = request.getfixturevalue(f"shared_{request.param}")
    shared.lay_anew()
    return dict(shared.settings)


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> dict[str, str]:
    """The settings of another machine: the same keys, and no database yet."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("*.sqlite3*"))
    settings = {"INSTANCE": str(folder)}
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        settings["DATABASE_URL"] = create_database(url, f"test_{uuid4().hex}")
    return settings


@pytest.fixture
def app_with(request: pytest.FixtureRequest, instance: dict, clock: Clock) -> Callable[..., Flask]:
    """Return how to get the freshly installed service with settings of one's own."""
    kind = "postgresql" if "DATABASE_URL" in instance else "sqlite"
    shared: Shared = request.getfixturevalue(f"shared_{kind}")
    return partial(shared.app, clock)


@pytest.fixture
def app(app_with: Callable[..., Flask]) -> Iterator[Flask]:
    """The service, freshly installed, with letters kept in a folder."""
    app = app_with()
    with app.app_context():
        yield app


@pytest.fixture
def at_risk(
    app_with: Callable[..., Flask], instance: dict, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The service with AT_RISK, freshly installed; its key is a credential."""
    credentials = Path(instance["INSTANCE"], "credentials")
    credentials.mkdir()
    for key in Path(instance["INSTANCE"], "keys").glob("*.key"):
        key.rename(credentials / key.name)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    app = app_with(AT_RISK=True)
    with app.app_context():
        yield app


@pytest.fixture
def impatient(app: Flask) -> Iterator[Flask]:
    """The service with a short LOCK_TIMEOUT_SECONDS."""
    app.config["LOCK_TIMEOUT_SECONDS"] = 0.3
    database.init_app(app, app.extensions["settings"].database_url)
    yield app
    database.engine().dispose()


@pytest.fixture
def visitor(app: Flask, clock: Clock) -> Visitor:
    """Somebody with a browser of their own."""
    return Visitor(app, clock)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak a language that marks what was translated."""
    # Translations are data, read from files: this is one more of them.
    monkeypatch.setattr(languages, "translations", lambda _language: Marked())


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A real SMTP server, which can be told to be faulty."""
    with MailServer() as server:
        yield server
