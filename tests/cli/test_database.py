"""flask database: every fault is one sentence and exit status 1, and nothing is changed by it."""

import json
import shutil
import sqlite3
from contextlib import closing
from contextvars import Context
from pathlib import Path

import pytest
from sqlalchemy import text

from registration import create_app, database
from registration.models import Installation
from registration.services.operations import schema

from .. import builders
from ..conftest import install
from ..machine import without_privileges
from ..server_process import flask

COMMANDS = pytest.mark.parametrize("command", ["check", "upgrade"])
sqlite = pytest.mark.parametrize("instance", ["sqlite"], indirect=True)


def run(settings: dict[str, str], *command: str, clock=None) -> tuple[int, str]:
    """Run `flask database <command>` and return its status and what it said."""
    app = create_app(settings, clock=clock)
    # Whatever app a test has open is not the one that is meant.
    done = Context().run(app.test_cli_runner().invoke, args=["database", *command])
    with app.app_context():
        database.engine().dispose()
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, done.output


def assert_one_sentence(said: str) -> None:
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert said.endswith((".\n", "?\n"))


@pytest.fixture
def file(instance: dict[str, str]) -> Path:
    return Path(instance["INSTANCE"]) / "registration.sqlite3"


def test_upgrade_makes_database_and_key_for_their_owner_only(tmp_path):
    folder = tmp_path / "new" / "instance"
    assert run({"INSTANCE": str(folder)}, "upgrade") == (0, "The database is up to date.\n")
    assert run({"INSTANCE": str(folder)}, "check")[0] == 0
    modes = {
        path.relative_to(folder).parts[0]: path.stat().st_mode & 0o777
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert modes == {"registration.sqlite3": 0o600, "keys": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_upgrade_again_changes_nothing(instance):
    keys = Path(instance["INSTANCE"], "keys")
    before = sorted(keys.glob("*.key"))
    assert run(instance, "upgrade") == (0, "The database is up to date.\n")
    assert sorted(keys.glob("*.key")) == before
    assert set(keys.iterdir()) == {*before, keys / "erasures"}


def test_check_finds_all_in_order(instance):
    assert run(instance, "check") == (0, "The database and its keys are in order.\n")


@COMMANDS
def test_a_missing_folder_is_told(tmp_path, command):
    url = f"sqlite:///{tmp_path}/missing/database.sqlite3"
    status, said = run({"INSTANCE": str(tmp_path), "DATABASE_URL": url}, command)
    assert status == 1
    assert_one_sentence(said)
    assert "does its folder exist" in said or "There is no database at" in said
    assert not (tmp_path / "missing").exists()
    assert not (tmp_path / "keys").exists()


@COMMANDS
@sqlite
def test_a_file_that_is_no_database_is_told_and_kept(instance, file, command):
    file.write_bytes(b"no database\n" * 100)
    status, said = run(instance, command)
    assert status == 1
    assert_one_sentence(said)
    assert "is something else" in said
    assert file.read_bytes() == b"no database\n" * 100


@COMMANDS
def test_a_folder_that_is_no_database_is_told(tmp_path, command):
    url = f"sqlite:///{tmp_path}"
    status, said = run({"INSTANCE": str(tmp_path), "DATABASE_URL": url}, command)
    assert status == 1
    assert_one_sentence(said)


@COMMANDS
def test_a_database_from_a_newer_version_is_told(instance, command):
    app = create_app(instance)
    with app.app_context():
        with database.writing() as tx:
            tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        database.engine().dispose()
    status, said = run(instance, command)
    assert status == 1
    assert_one_sentence(said)
    assert "by a newer version (9999): install that version. Nothing was changed." in said


@sqlite
def test_an_older_database_is_told_to_be_upgraded(instance, file):
    file.unlink()
    status, said = run(instance, "check")
    assert status == 1
    assert_one_sentence(said)
    assert "run `flask database upgrade`" in said


def test_a_server_that_does_not_answer_is_told(tmp_path):
    url = f"postgresql+psycopg://somebody:secret@/nothing?host={tmp_path}"
    status, said = run({"INSTANCE": str(tmp_path), "DATABASE_URL": url}, "check")
    assert status == 1
    assert_one_sentence(said)
    assert "secret" not in said


@COMMANDS
def test_a_missing_key_is_told_and_none_is_made(instance, command):
    (key,) = Path(instance["INSTANCE"], "keys").iterdir()
    key.unlink()
    status, said = run(instance, command)
    assert status == 1
    assert said.count("\n") == 1
    assert f"sealed with the key {key.stem}, which is not in" in said
    assert list(key.parent.iterdir()) == []


@COMMANDS
def test_a_key_that_others_can_read_is_told(instance, command):
    (key,) = Path(instance["INSTANCE"], "keys").iterdir()
    key.chmod(0o644)
    assert run(instance, command) == (
        1,
        f"Error: {key} can be read by others: run chmod 600 on it.\n",
    )


def test_a_read_only_database_is_told(tmp_path):
    file = tmp_path / "registration.sqlite3"
    file.touch()
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA journal_mode = wal")
    file.chmod(0o400)
    before = file.read_bytes()
    done = flask({"INSTANCE": str(tmp_path)}, "database", "upgrade", before=without_privileges())
    assert done.returncode == 1
    assert_one_sentence(done.stderr.decode())
    assert "readonly" in done.stderr.decode()
    assert file.read_bytes() == before
    assert not (tmp_path / "keys").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    folder = tmp_path / "instance"
    folder.mkdir(mode=0o500)
    done = flask({"INSTANCE": str(folder)}, "database", "upgrade", before=without_privileges())
    assert done.returncode == 1
    assert_one_sentence(done.stderr.decode())
    assert "may this user write there" in done.stderr.decode()
    assert list(folder.iterdir()) == []


def test_an_upgrade_that_fails_is_told(tmp_path):
    file = tmp_path / "registration.sqlite3"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE letters (id INTEGER)")
    status, said = run({"INSTANCE": str(tmp_path)}, "upgrade")
    assert status == 1
    assert_one_sentence(said)
    assert "The upgrade failed, and changed nothing: table letters already exists." in said
    assert not (tmp_path / "keys").exists()


def test_the_commands_do_what_the_tests_do(tmp_path):
    """The fixtures install without the command: both ways lead to the same."""
    app = create_app({"INSTANCE": str(tmp_path)})
    install(app)
    with app.app_context():
        schema.check(database.engine())
        database.engine().dispose()
    assert run({"INSTANCE": str(tmp_path)}, "check")[0] == 0


def test_checking_a_database_that_is_not_there_makes_none(tmp_path):
    status, said = run({"INSTANCE": str(tmp_path / "elsewhere")}, "check")
    assert status == 1
    assert said.startswith("Error: There is no database at ")
    assert not (tmp_path / "elsewhere").exists()


def test_refused_settings_are_told_without_a_traceback(tmp_path):
    ran = flask({"INSTANCE": str(tmp_path), "RETENTION_DAYS": "x"}, "database", "check", text=True)
    assert ran.returncode == 1
    assert ran.stderr == (
        "The settings are refused.\n"
        "  REGISTRATION_RETENTION_DAYS must be a whole number from 1 to 3650.\n"
    )


@pytest.fixture
def backup(app, clock, tmp_path) -> Path:
    """A backup with one registration, and a letter that was sent since."""
    builders.publish()
    builders.register()
    file = tmp_path / "backup"
    command = ["database", "backup", str(file)]
    done = app.test_cli_runner().invoke(args=command)
    said = f"{file} is a whole backup. The keys are not in it: keep them apart.\n"
    assert (done.exit_code, done.output) == (0, said)
    with database.reading() as tx:
        assert tx.get_one(Installation, 1).last_backup_at == clock.now
    return file


@sqlite
def test_restore_says_what_it_did(backup, elsewhere, clock):
    keys = Path(elsewhere["INSTANCE"], "keys")
    status, said = run(elsewhere, "restore", str(backup), clock=clock)
    assert (status, said.splitlines()) == (
        0,
        [
            "The backup of 2026-03-02 12:00 UTC is restored.",
            "Discussions: 1. Registrations: 1.",
            "Erased again: 0. Erased as due: 0.",
            "Delete exports and letters kept since the backup: nobody is erased from them now.",
            f"{keys} has no list of erasures: whoever was erased since is back.",
            "Letters held: 1. `flask outbox list` shows, `flask outbox retry --held` sends them.",
        ],
    )
    assert run(elsewhere, "check")[0] == 0
    status, said = run(elsewhere, "restore", str(backup), clock=clock)
    assert status == 1
    assert_one_sentence(said)


@sqlite
@pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
def test_restore_says_as_json_what_it_did(backup, elsewhere, clock):
    status, said = run(elsewhere, "restore", str(backup), "--json", clock=clock)
    assert (status, json.loads(said)) == (
        0,
        {
            "backed_up_at": "2026-03-02T12:00:00+00:00",
            "discussions": 1,
            "registrations": 1,
            "erased_again": 0,
            "erased_as_due": 0,
            "held": [1],
            "waits_until": None,
            "is_list_there": False,
            "has_newer_key": False,
        },
    )


@sqlite
@pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
def test_restore_tells_of_a_newer_key(app, backup, elsewhere, clock):
    assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
    keys = Path(elsewhere["INSTANCE"], "keys")
    shutil.copytree(app.extensions["settings"].keys, keys, dirs_exist_ok=True)
    said = run(elsewhere, "restore", str(backup), clock=clock)[1]
    assert f"{keys} has a newer key: `flask keys rotate` seals everything anew.\n" in said


@sqlite
def test_a_backup_that_cannot_be_made_is_told(instance, tmp_path):
    for place in (tmp_path, tmp_path / "missing" / "backup"):
        status, said = run(instance, "backup", str(place))
        assert status == 1
        assert_one_sentence(said)


def test_there_is_nothing_to_back_up_where_there_is_no_database(elsewhere, tmp_path):
    status, said = run(elsewhere, "backup", str(tmp_path / "backup"))
    assert status == 1
    assert_one_sentence(said)
    assert "run `flask database upgrade`" in said
    assert not (tmp_path / "backup").exists()


def test_a_folder_that_cannot_be_written_gets_no_backup(instance, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o500)
    command = ("database", "backup", str(folder / "backup"))
    done = flask(instance, *command, before=without_privileges(), text=True)
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: {folder}/backup cannot be written: Permission denied.\n",
    )
