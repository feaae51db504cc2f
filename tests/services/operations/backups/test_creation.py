"""Backups: one whole file of all that is committed, from both databases, over nothing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from registration import create_app, database
from registration.database import reading, writing
from registration.models import Installation
from registration.services.operations.backups import creation
from registration.services.operations.backups.creation import NotBackedUp
from registration.services.operations.backups.partial_files import PartThere

from .... import builders
from ....machine import on_sqlite


def back_up(file: Path, clock) -> None:
    creation.back_up(database.engine(), file, now=clock.now)


@contextmanager
def opened(file: Path, folder: Path) -> Iterator[Flask]:
    """Open a copy of a backup as if it were a database."""
    copy = folder / f"opened-{file.name}"
    shutil.copy(file, copy)
    app = create_app({"INSTANCE": str(folder), "DATABASE_URL": f"sqlite:///{copy}"})
    with app.app_context():
        yield app
        database.engine().dispose()


def test_a_backup_holds_every_row_of_every_table(app, clock, tmp_path):
    builders.publish(builders.with_questions("seats = 3"))
    builders.register_and_confirm(answers={"city": "Алматы", "ask": "Why?", "rules": True})
    builders.register(address="bolat@example.org")
    before = builders.every_row()
    back_up(tmp_path / "backup", clock)
    with opened(tmp_path / "backup", tmp_path):
        after = builders.every_row()
        with reading() as tx:
            assert tx.scalars(select(Installation.last_backup_at)).one() == clock.now
            revisions = tx.scalars(text("SELECT version_num FROM alembic_version")).all()
    assert len(revisions) == 1
    assert [len(before["registrations"]), len(before["letters"])] == [2, 3]
    del before["installation"], after["installation"]
    assert after == before


def test_a_backup_is_one_private_file_that_needs_nothing_beside_it(app, clock, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    back_up(folder / "backup", clock)
    assert [path.name for path in folder.iterdir()] == ["backup"]
    assert (folder / "backup").stat().st_mode & 0o777 == 0o600
    # Bytes 18 and 19 of the header: 1 is a rollback journal, 2 would be a log (sqlite.org).
    content = (folder / "backup").read_bytes()
    assert (content[:16], content[18:20]) == (b"SQLite format 3\0", b"\1\1")


def test_a_backup_has_nothing_of_the_keys(app, clock, tmp_path):
    builders.publish()
    builders.register_and_confirm()
    back_up(tmp_path / "backup", clock)
    (key,) = app.extensions["settings"].keys.glob("*.key")
    content = (tmp_path / "backup").read_bytes()
    assert key.stem.encode() in content, "the fingerprint, which tells nothing"
    assert key.read_bytes() not in content
    assert bytes.fromhex(key.read_text()) not in content
    assert b"aigerim" not in content


def test_a_backup_has_nothing_of_erased_attendees(app, clock, tmp_path):
    builders.publish()
    builders.register_and_confirm()
    back_up(tmp_path / "before", clock)
    sealed = builders.registration_of().sealed
    clock.advance(days=300)
    from ...erasure.test_erasures import erase

    erase()
    back_up(tmp_path / "after", clock)
    assert sealed in (tmp_path / "before").read_bytes()
    assert sealed not in (tmp_path / "after").read_bytes()


def test_a_backup_leaves_out_uncommitted_changes(app, clock, tmp_path):
    builders.publish()
    with writing() as tx:
        tx.execute(text("UPDATE discussions SET slug = 'halfway'"))
        tx.flush()
        back_up(tmp_path / "backup", clock)
        tx.rollback()
    with opened(tmp_path / "backup", tmp_path), reading() as tx:
        assert tx.scalars(text("SELECT slug FROM discussions")).all() == ["water"]


def test_a_backup_is_noted_in_the_database(app, clock):
    with writing() as tx:
        creation.note_backup(tx)
    with reading() as tx:
        assert tx.scalars(select(Installation.last_backup_at)).one() == clock.now


def test_a_backup_is_never_made_over_anything(app, clock, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(NotBackedUp, match="is a folder: name a file"):
        back_up(tmp_path, clock)
    for path in (taken, tmp_path / "link"):
        with pytest.raises(NotBackedUp, match="exists already: choose another name"):
            back_up(path, clock)
    assert taken.read_text() == "mine"
    assert not (tmp_path / "nothing").exists()


@on_sqlite
@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_backup_never_takes_the_name_of_a_sqlite_file(app, clock, end):
    folder = app.extensions["settings"].instance
    database.engine().dispose()
    with pytest.raises(NotBackedUp, match="exists already: choose another name"):
        back_up(folder / f"registration.sqlite3{end}", clock)


def test_a_folder_that_is_not_there_is_told(app, clock, tmp_path):
    with pytest.raises(NotBackedUp, match=r"cannot be written: No such file or directory\.$"):
        back_up(tmp_path / "missing" / "backup", clock)
    assert not (tmp_path / "missing").exists()


def test_a_part_that_is_there_already_is_told_and_kept(app, clock, tmp_path):
    part = tmp_path / ".backup.unfinished"
    part.write_text("somebody writes this")
    with pytest.raises(PartThere, match=r"\.backup\.unfinished is there already: remove it"):
        back_up(tmp_path / "backup", clock)
    assert part.read_text() == "somebody writes this"
    assert not (tmp_path / "backup").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_nothing_is_left_on_it(app, clock, small_disk):
    builders.publish()
    for number in range(60):
        builders.register(address=f"a{number}@example.org")
    with pytest.raises(database.DatabaseUnavailable, match=r"^The disk is full\.$"):
        back_up(small_disk / "backup", clock)
    assert list(small_disk.iterdir()) == []


@on_sqlite
def test_a_damaged_database_is_told_and_not_backed_up(app, clock, tmp_path):
    builders.publish()
    with database.engine().connect() as connection:
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        driver.execute("UPDATE revisions SET discussion_id = 4711")
    with pytest.raises(NotBackedUp, match="The database is damaged"):
        back_up(tmp_path / "backup", clock)
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / ".backup.unfinished").exists()
