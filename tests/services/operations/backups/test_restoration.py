"""Restoring: whole or not at all, erased again and silent, into both kinds of database."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes, token_hex

import pytest
from flask import Flask
from sqlalchemy import create_engine, insert, select, text

from registration import app_context, create_app, database
from registration.crypto.key_ring import KeysRefused
from registration.database import connect, reading, table_of, writing
from registration.models import (
    BucketLevel,
    Erasure,
    Group,
    Installation,
    Letter,
    LetterState,
    Mailing,
    Registration,
)
from registration.services import catalog, installation
from registration.services.erasure import erasures, ledger
from registration.services.mailings import mailings
from registration.services.mailings.mailings import Draft
from registration.services.operations import key_rotation, migration, process_lock, schema
from registration.services.operations.backups import creation, restoration
from registration.services.operations.backups.placement import DatabaseThere
from registration.services.operations.backups.restoration import NoBackup, NotRestored, Restored
from registration.services.operations.process_lock import ServiceRunning
from registration.services.operations.schema import SchemaNewer
from registration.services.organizers import invitations
from registration.services.organizers.invitations import InvitationOver
from registration.services.registrations import self_service
from registration.worker import housekeeping

from .... import builders
from ....desk import invite, signed_in
from ....machine import on_sqlite

to_sqlite = pytest.mark.parametrize("elsewhere", ["sqlite"], indirect=True)
to_postgresql = pytest.mark.parametrize("elsewhere", ["postgresql"], indirect=True)


@pytest.fixture
def backup(app: Flask, clock, tmp_path: Path) -> Callable[[], Path]:
    """Back the app up, as it is then."""

    def make() -> Path:
        file = tmp_path / "backup"
        creation.back_up(database.engine(), file, now=clock.now)
        return file

    return make


@contextmanager
def at(settings: dict[str, str], clock) -> Iterator[Flask]:
    app = create_app(settings, clock=clock)
    app.config["ANSWER_FLOOR"] = 0.0
    with app.app_context():
        try:
            yield app
        finally:
            database.engine().dispose()


def restore(file: Path) -> Restored:
    """Restore into the running app's place."""
    return restoration.restore(
        database.engine(), file, settings=app_context.settings(), now=app_context.now()
    )


def erase(address: str) -> None:
    """Erase somebody, as the button on their page does, and remember it."""
    token = builders.attendee(address).token
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        receipt = erasures.erase(tx, registration, letters=None)
    ledger.add(app_context.settings().keys, receipt.public_ids)


def carry_keys(app: Flask, settings: dict[str, str]) -> None:
    """Bring the keys, and the list beside them, to another machine."""
    folder = Path(settings["INSTANCE"], "keys")
    shutil.copytree(app.extensions["settings"].keys, folder, dirs_exist_ok=True)


def test_a_restored_database_has_every_row_and_goes_on(app, clock, backup, elsewhere):
    builders.publish(builders.with_questions("seats = 3"))
    builders.register_and_confirm(answers={"city": "Алматы", "rules": True})
    builders.register(address="bolat@example.org")
    assert builders.deliver() == 2
    before = builders.every_row()
    file = backup()
    with at(elsewhere, clock) as restored:
        done = restore(file)
        after = builders.every_row()
        assert (done.backed_up_at, done.discussions, done.registrations) == (clock.now, 1, 2)
        assert (done.erased_again, done.erased_as_due, done.held) == (0, 0, [])
        assert (done.is_list_there, done.has_newer_key) == (False, False)
        for changed in ("installation", "throttles"):
            del before[changed], after[changed]
        assert after == before
        schema.check(database.engine())
        # New rows get unused numbers, and restored registrations can be found.
        builders.register_and_confirm("dina@example.org")
        builders.confirm("bolat@example.org")
        assert builders.deliver() == 2
        page = restored.test_client().get(f"/registrations/{builders.attendee().token}")
        assert page.status_code == 200


def test_attendees_erased_since_the_backup_are_erased_again(app, clock, backup, elsewhere):
    builders.publish()
    people = ["aigerim@example.org", "bolat@example.org", "dina@example.org"]
    for address in people:
        builders.register_and_confirm(address)
    file = backup()
    sealed = builders.registration_of(people[1]).sealed
    erase(people[1])
    erase(people[2])
    carry_keys(app, elsewhere)
    with at(elsewhere, clock):
        done = restore(file)
        assert (done.registrations, done.erased_again, done.is_list_there) == (1, 2, True)
        assert builders.registration_of(people[0]).confirmed_at
        with reading() as tx:
            assert tx.query(Erasure).count() == 2
            letters = tx.scalars(select(Letter.registration_id)).all()
            assert set(letters) == {builders.registration_of(people[0]).id}
        database.engine().dispose()
    if "DATABASE_URL" not in elsewhere:
        assert sealed in file.read_bytes()
        assert sealed not in Path(elsewhere["INSTANCE"], "registration.sqlite3").read_bytes()


@on_sqlite
@to_sqlite
def test_due_registrations_are_erased_before_the_database_serves(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    builders.register_and_confirm("bolat@example.org")
    file = backup()
    clock.advance(hours=72)
    with at(elsewhere, clock):
        done = restore(file)
        assert (done.registrations, done.erased_as_due) == (1, 1)
        assert builders.registration_of("bolat@example.org")


@on_sqlite
@to_sqlite
def test_a_restore_under_a_wrong_clock_erases_nobody_for_a_day(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    housekeeping.run_hourly()
    file = backup()
    right = clock.now
    clock.advance(days=40)
    with at(elsewhere, clock):
        done = restore(file)
        assert (done.registrations, done.erased_as_due) == (1, 0)
        assert done.waits_until == clock.now + timedelta(hours=24)
        housekeeping.run_hourly()
        clock.now = right  # somebody has noticed
        housekeeping.run_hourly()
        assert builders.attendee().address == "aigerim@example.org"
        clock.advance(hours=73)
        housekeeping.run_hourly()
        clock.advance(hours=24)
        housekeeping.run_hourly()
        with reading() as tx:
            assert tx.query(Registration).count() == 0


@on_sqlite
@to_sqlite
def test_more_than_a_batch_is_erased_again(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    count = erasures.REGISTRATIONS_A_BATCH + 3
    multiply(count)
    file = backup()
    with reading() as tx:
        ids = tx.scalars(select(Registration.public_id)).all()
    ledger.add(Path(elsewhere["INSTANCE"], "keys"), ids)
    with at(elsewhere, clock):
        done = restore(file)
        assert (done.erased_again, done.registrations) == (count, 0)


def multiply(count: int) -> None:
    """Make `count` registrations of the one that is there."""
    table = table_of(Registration)
    with writing() as tx:
        first = dict(tx.execute(select(table)).mappings().one())
        del first["id"]
        keys = ("address_index", "token_hash", "calendar_token_hash")
        others = [
            first | {"public_id": token_hex(16)} | {key: token_bytes(32) for key in keys}
            for _ in range(count - 1)
        ]
        tx.execute(insert(table), others)


@on_sqlite
def test_nothing_that_was_owed_is_sent_until_it_is_retried(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    builders.deliver()
    builders.confirm()
    with writing() as tx:
        sent, owed = tx.scalars(select(Letter).order_by(Letter.id))
        owed.lease_until = clock.now  # a worker has it in hand
    file = backup()
    with at(elsewhere, clock) as restored:
        done = restore(file)
        assert done.held == [owed.id]
        with reading() as tx:
            assert tx.get(Letter, sent.id).state is LetterState.SENT
            held = tx.get(Letter, owed.id)
            assert (held.state, held.lease_until) == (LetterState.HELD, None)
        assert builders.deliver() == 0
        command = ["outbox", "retry", *map(str, done.held)]
        assert restored.test_cli_runner().invoke(args=command).exit_code == 0
        assert builders.deliver() == 1


@on_sqlite
@to_sqlite
def test_limits_clock_and_kept_pages_begin_anew(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    with writing() as tx:
        tx.execute(text("UPDATE installation SET clock_jumped_at = :now"), {"now": str(clock.now)})
        version = installation.content_version(tx)
    file = backup()
    clock.advance(days=1)
    with at(elsewhere, clock):
        restore(file)
        with reading() as tx:
            assert tx.query(BucketLevel).count() == 0
            found = tx.get_one(Installation, 1)
            assert (found.last_round_at, found.clock_jumped_at) == (clock.now, None)
            assert found.content_version >= version + 1_000_000


@to_sqlite
def test_no_sign_in_and_no_invitation_comes_back(app, clock, backup, elsewhere):
    token = invite("invited@example.org")
    asel = signed_in(app, clock)
    file = backup()
    with at(elsewhere, clock) as restored:
        restore(file)
        asel.client.application = restored
        assert asel.get("/organizer/").status_code == 303
        with pytest.raises(InvitationOver), reading() as tx:
            invitations.find(tx, token)


def tables(settings: dict[str, str]) -> list[str]:
    """Return the state of a URL that should have no database."""
    if "DATABASE_URL" not in settings:
        return [path.name for path in Path(settings["INSTANCE"]).iterdir() if path.is_file()]
    engine = create_engine(settings["DATABASE_URL"])
    with engine.connect() as connection:
        found = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        )
        names = list(found)
    engine.dispose()
    return names


def test_a_restore_replaces_no_database(app, clock, backup):
    builders.publish()
    builders.register()
    file = backup()
    before = builders.every_row()
    url, folder = database.engine().url, app_context.settings().instance
    database.engine().dispose()
    with at(
        {"INSTANCE": str(folder), "DATABASE_URL": url.render_as_string(hide_password=False)}, clock
    ):
        with pytest.raises(DatabaseThere, match=r"away first\.$|has tables already"):
            restore(file)
        assert builders.every_row() == before


@on_sqlite
@to_sqlite
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_journal_that_was_left_behind_is_told(app, clock, backup, elsewhere, end):
    file = backup()
    Path(elsewhere["INSTANCE"], f"registration.sqlite3{end}").touch()
    with at(elsewhere, clock), pytest.raises(DatabaseThere, match="and its -wal and -shm"):
        restore(file)


@on_sqlite
def test_nothing_is_restored_while_the_service_runs(app, clock, backup, elsewhere):
    file = backup()
    with at(elsewhere, clock):
        here = process_lock.lock_for_service(app_context.settings().instance)
        with here, pytest.raises(ServiceRunning, match="stop `flask serve` and `flask outbox"):
            restore(file)
        assert tables(elsewhere) == []
        assert restore(file).discussions == 0


@on_sqlite
@to_postgresql
def test_nothing_is_restored_while_others_are_connected(app, clock, backup, elsewhere):
    file = backup()
    other = create_engine(elsewhere["DATABASE_URL"])
    with at(elsewhere, clock), other.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(ServiceRunning, match="The database has 1 other connections: stop"):
            restore(file)
    other.dispose()
    assert tables(elsewhere) == []


def wrong(name: str, folder: Path, backup: Path) -> Path:
    """Return a file that is no good backup."""
    file = folder / name
    if name == "text":
        file.write_text("no database\n" * 100)
    elif name == "empty":
        file.touch()
    elif name == "other":
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE letters (id INTEGER)")
    else:
        shutil.copy(backup, file)
    return file


WRONG = {
    "text": (NoBackup, "is no backup: `flask database backup` did not write it"),
    "empty": (NoBackup, "is no backup: `flask database backup` did not write it"),
    "other": (NoBackup, "is no backup: it is the database of something else"),
    "damaged": (NoBackup, "is damaged: take another backup"),
    "cut": (NoBackup, "is damaged: take another backup"),
    "torn": (NoBackup, "is damaged: take another backup"),
    "newer": (SchemaNewer, r"by a newer version \(9999\): install that version"),
    "in use": (NoBackup, "is no backup but a database in use, with in use-wal beside it"),
    "missing": (NotRestored, r"missing cannot be copied: No such file or directory\.$"),
    "folder": (NotRestored, r"folder cannot be copied: Is a directory\.$"),
}


@pytest.mark.parametrize("name", WRONG)
@on_sqlite
@to_sqlite
def test_a_file_that_is_no_good_backup_is_told(app, clock, backup, elsewhere, tmp_path, name):
    builders.publish()
    for number in range(30):
        builders.register(address=f"a{number}@example.org")
    file = wrong(name, tmp_path, backup())
    spoil(file)
    kind, words = WRONG[name]
    with at(elsewhere, clock), pytest.raises(kind, match=words):
        restore(file)
    assert tables(elsewhere) == []


def spoil(file: Path) -> None:
    """Damage a good copy in the way that its name says."""
    if file.name == "damaged":
        content = file.read_bytes()
        file.write_bytes(content[:8192] + bytes(2 * 4096) + content[8192 + 2 * 4096 :])
    elif file.name == "cut":
        file.write_bytes(file.read_bytes()[:-4096])
    elif file.name in {"torn", "newer"}:
        sql = {
            "torn": "UPDATE letters SET registration_id = 4711",
            "newer": "UPDATE alembic_version SET version_num = '9999'",
        }
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(sql[file.name])
            connection.commit()
    elif file.name == "in use":
        Path(f"{file}-wal").write_bytes(b"frames")
    elif file.name == "missing":
        file.unlink()
    elif file.name == "folder":
        file.unlink()
        file.mkdir()


@on_sqlite
@to_sqlite
def test_a_backup_whose_key_is_missing_is_told(app, clock, backup, elsewhere):
    file = backup()
    (key,) = Path(elsewhere["INSTANCE"], "keys").glob("*.key")
    key.unlink()
    words = f"sealed with the key {key.stem}, which is not in"
    with at(elsewhere, clock), pytest.raises(KeysRefused, match=words):
        restore(file)
    assert tables(elsewhere) == []
    assert list(key.parent.iterdir()) == []


@on_sqlite
@to_sqlite
def test_a_newer_key_is_told(app, clock, backup, elsewhere):
    builders.publish()
    builders.register()
    file = backup()
    settings = app_context.settings()
    with writing() as tx:
        key_rotation.rotate(tx, settings.keys, settings.credentials)
    carry_keys(app, elsewhere)
    with at(elsewhere, clock):
        assert restore(file).has_newer_key
        assert builders.attendee().address == "aigerim@example.org"


@on_sqlite
@to_sqlite
def test_a_folder_that_is_not_there_is_told(app, clock, backup, elsewhere, tmp_path):
    file = backup()
    elsewhere["DATABASE_URL"] = f"sqlite:///{tmp_path}/missing/database.sqlite3"
    words = r"cannot be written: No such file or directory\.$"
    with at(elsewhere, clock), pytest.raises(NotRestored, match=words):
        restore(file)


@on_sqlite
@to_sqlite
def test_the_restored_file_is_private_and_alone(app, clock, backup, elsewhere):
    file = backup()
    file.chmod(0o644)
    with at(elsewhere, clock):
        restore(file)
    assert tables(elsewhere) == ["registration.sqlite3"]
    path = Path(elsewhere["INSTANCE"], "registration.sqlite3")
    assert path.stat().st_mode & 0o777 == 0o600


@to_sqlite
@on_sqlite
def test_mailings_erased_since_the_backup_are_erased_again(app, clock, backup, elsewhere):
    invite()
    builders.publish()
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        for subject in ("Kept", "Gone"):
            typed = Draft(subject, "x", (Group.CONFIRMED,))
            kept = mailings.save(tx, discussion, typed, by=1)
    file = backup()
    with writing() as tx:
        receipt = mailings.discard(tx, discussion, kept.public_id, 1, by=1)
    app_context.record_erasure(receipt)
    carry_keys(app, elsewhere)
    with at(elsewhere, clock):
        restore(file)
        with reading() as tx:
            (left,) = tx.query(Mailing)
            assert left.wording(tx.keys).subject == "Kept"


OLD = "0001"


@on_sqlite
def test_a_backup_of_the_first_version_is_brought_to_this_one(app, clock, elsewhere, tmp_path):
    folder = tmp_path / "first"
    shutil.copytree(schema.MIGRATIONS, folder)
    for script in (folder / "versions").glob("0*.py"):
        if not script.name.startswith(OLD):
            script.unlink()
    engine = connect(f"sqlite:///{tmp_path / 'old'}", journal="delete")
    migration.upgrade(engine, folder)
    builders.publish()
    builders.register_and_confirm()
    copy_common(database.engine(), engine)
    engine.dispose()
    with at(elsewhere, clock):
        done = restore(tmp_path / "old")
        assert (done.backed_up_at, done.discussions, done.registrations) == (None, 1, 1)
        schema.check(database.engine())
        assert builders.registration_of().confirmed_at


# What the first version stored in columns that are gone.
GONE = {
    ("registrations", "language"): "'en'",
    ("letters", "message_id"): "'<' || public_id || '@events.example.org>'",
}


def copy_common(source, target) -> None:
    """Copy the rows of every table and column that both have, and make up what is `GONE`."""
    from sqlalchemy import MetaData, inspect

    old = MetaData()
    old.reflect(target)
    there = inspect(source)
    with source.connect() as live, target.begin() as connection:
        for table in old.sorted_tables:
            if table.name != "alembic_version":
                kept = [one["name"] for one in there.get_columns(table.name)]
                read = {column.name: column.name for column in table.columns if column.name in kept}
                read |= {name: made for (of, name), made in GONE.items() if of == table.name}
                names = ", ".join(read)
                wanted = ", ".join(f"{how} AS {name}" for name, how in read.items())
                found = live.execute(text(f"SELECT {wanted} FROM {table.name}")).mappings().all()
                if found:
                    marks = ", ".join(f":{name}" for name in read)
                    words = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
                    connection.execute(text(words), [dict(row) for row in found])


@on_sqlite
def test_remains_of_a_killed_restore_are_replaced(app, clock, backup, elsewhere):
    file = backup()
    names = {"sqlite": "registration.sqlite3", "postgresql": "restored.sqlite3"}
    kind = "postgresql" if "DATABASE_URL" in elsewhere else "sqlite"
    left = Path(elsewhere["INSTANCE"], f".{names[kind]}.unfinished")
    left.write_text("half")
    left.with_name(f"{left.name}-journal").write_text("half")
    with at(elsewhere, clock):
        restore(file)
        schema.check(database.engine())
    assert not list(left.parent.glob(".*"))
