"""Upgrade, backup and restore are killed at every moment: the old remains, or the whole new."""

import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from registration import config, database
from registration.database import connect
from registration.services.erasure import ledger
from registration.services.operations.backups import creation
from registration.services.operations.schema import MIGRATIONS, check

from . import builders, killed
from .database.test_migrations import REMAKE, content, schema
from .machine import on_sqlite

pytestmark = pytest.mark.slow


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def _people(app) -> None:
    builders.publish()
    builders.register_and_confirm()
    builders.register(address="bolat@example.org")


@pytest.mark.usefixtures("_people")
def test_an_upgrade_killed_at_any_moment_leaves_the_old_tables_or_the_new(app, tmp_path):
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "versions" / "9000_later.py").write_text(REMAKE)
    old, rows = schema(database.engine()), content()
    new = {
        table: columns | {"later"} if table in REMADE else columns for table, columns in old.items()
    }
    for moment in count(1):
        if not killed.is_killed_at(moment, killed.upgrade, url_of(database.engine()), folder):
            break
        assert (schema(database.engine()), content()) == (old, rows)
    assert moment > len(REMADE)
    assert schema(database.engine()) == new
    assert [row.removesuffix(", None)") + ")" for row in content()[:-1]] == rows[:-1]


REMADE = {"discussions", "registrations", "letters"}


def test_a_first_upgrade_killed_at_any_moment_leaves_no_table_or_all(elsewhere):
    engine = connect(config.load({}, elsewhere).database_url)
    for moment in count(1):
        if not killed.is_killed_at(moment, killed.upgrade, url_of(engine), MIGRATIONS):
            break
        assert inspect(engine).get_table_names() == []
    assert moment > len(database.Model.metadata.tables)
    check(engine)
    engine.dispose()


def counted(file: Path) -> tuple[str, int, int]:
    """Return whether a backup is sound, and how many registrations and letters it holds."""
    with closing(sqlite3.connect(file)) as connection:
        words = "SELECT (SELECT count(*) FROM registrations), (SELECT count(*) FROM letters)"
        sound = connection.execute("PRAGMA integrity_check").fetchone()
        return sound + connection.execute(words).fetchone()


@pytest.mark.usefixtures("_people")
def test_a_backup_killed_at_any_moment_is_not_there_or_whole(app, clock, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    url = url_of(database.engine())
    there = 0
    for moment in count(1, 2):
        file = folder / f"backup{moment}"
        is_killed = killed.is_killed_at(moment, killed.back_up, url, file, clock.now)
        if file.exists():
            there += 1
            assert counted(file) == ("ok", 2, 3)
        if not is_killed:
            break
    assert there > 1, "it was killed when it had its name, too"
    assert moment > 7
    assert [path.name for path in folder.iterdir() if path.name == f".{file.name}.unfinished"] == []


@on_sqlite
@pytest.mark.usefixtures("_people")
def test_a_restore_killed_at_any_moment_leaves_no_database_or_the_whole(
    app, clock, elsewhere, tmp_path
):
    file = tmp_path / "backup"
    creation.back_up(database.engine(), file, now=clock.now)
    gone = builders.registration_of("bolat@example.org").public_id
    found = config.load({}, elsewhere)
    ledger.add(found.keys, [gone])
    engine = connect(found.database_url)
    there = 0
    for moment in count(1, 2):
        is_killed = killed.is_killed_at(
            moment, killed.restore, elsewhere, file, clock.now, kind=engine.dialect.name
        )
        if is_there(engine):
            there += 1
            assert people_and_owed(engine) == (1, 0)
        if not is_killed:
            break
        clear(engine)
    assert there > 0
    assert moment > 25
    check(engine)
    engine.dispose()
    assert list(found.instance.glob(".*")) == []


def is_there(engine: Engine) -> bool:
    if engine.dialect.name == "sqlite":
        return Path(engine.url.database).exists()
    with engine.connect() as connection:
        return bool(inspect(connection).get_table_names())


def people_and_owed(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        people = connection.scalar(text("SELECT count(*) FROM registrations"))
        owed = connection.scalar(text("SELECT count(*) FROM letters WHERE state = 'owed'"))
    engine.dispose()
    return people, owed


def clear(engine: Engine) -> None:
    """Take away a database that is there, so that the next restore finds none."""
    if engine.dialect.name == "sqlite":
        for end in ("", "-wal", "-shm"):
            Path(f"{engine.url.database}{end}").unlink(missing_ok=True)
    else:
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
