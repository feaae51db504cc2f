"""Exports leave the disk: at once when somebody in them is erased, and after seven days."""

import csv
import fcntl
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from registration import app_context, database
from registration.database import reading, writing
from registration.models import Export, Registration
from registration.services.attendees import export_files, export_removal
from registration.services.attendees.export_records import Source
from registration.services.erasure import erasures
from registration.services.registrations import self_service
from registration.worker import housekeeping

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite, without_privileges
from ...server_process import TOP, environment, flask


def source() -> Source:
    return Source(reading, writing, app_context.settings().keys)


def write(path: Path) -> None:
    export_files.write(source(), "water", path, ["email", "name"], ",", app_context.now())


def erase(address: str = "aigerim@example.org") -> None:
    """Erase somebody, and end before anything else is done, as a crash does."""
    token = builders.attendee(address).token
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        erasures.erase(tx, registration, letters=None)


def addresses(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["email"] for row in csv.DictReader(file)]


def known() -> list[str]:
    with reading() as tx:
        return [Path(row.path).name for row in tx.query(Export)]


def has_aigerim(folder: Path) -> bool:
    """Whether any file there has the address, also a hidden one."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return any(b"aigerim@example.org" in path.read_bytes() for path in files)


@pytest.fixture
def file(app, tmp_path) -> Path:
    """An export of two people."""
    folder = tmp_path / "exports"
    folder.mkdir()
    builders.publish()
    builders.register()
    builders.register(address="bolat@example.org")
    write(folder / "attendees.csv")
    return folder / "attendees.csv"


def by_the_button(app, clock, visitor) -> None:
    answer = visitor.press(f"/registrations/{builders.attendee().token}", "erase")
    assert "You are also gone from the attendee lists" in visitor.get(answer.location).text


def at_the_desk(app, clock, visitor) -> None:
    public_id = builders.registration_of().public_id
    asel = signed_in(app, clock)
    answer = asel.fill(f"/organizer/discussions/water/attendees/{public_id}", "erase", sure="yes")
    assert answer.status_code == 303, answer.text


def by_its_date(app, clock, visitor) -> None:
    with writing() as tx:
        token = builders.attendee().token
        registration, _discussion = self_service.by_token(tx, token)
        registration.erase_at = clock.now
    housekeeping.erase_due()


@pytest.mark.parametrize("erased", [by_the_button, at_the_desk, by_its_date])
def test_an_erased_attendee_is_in_no_export_when_the_erasure_is_answered(
    file, app, clock, visitor, erased
):
    assert has_aigerim(file.parent)
    erased(app, clock, visitor)
    assert builders.count_registrations() == 1
    assert not has_aigerim(file.parent)
    housekeeping.finish_erasures()
    assert addresses(file) == ["bolat@example.org"]


@on_sqlite
def test_purge_leaves_no_export_of_the_discussion(file, app):
    done = app.test_cli_runner().invoke(args=["registrations", "purge", "--now", "water"])
    assert done.output.endswith(f"{file} was deleted: nobody is left in it.\n")
    assert list(file.parent.iterdir()) == []
    assert known() == []


@on_sqlite
def test_an_export_is_deleted_while_another_is_being_written(file, app, clock, visitor):
    handle = os.open(source().lock, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    by_the_button(app, clock, visitor)
    assert not has_aigerim(file.parent)
    os.close(handle)
    housekeeping.finish_erasures()
    assert addresses(file) == ["bolat@example.org"]


@pytest.mark.parametrize("name", ["attendees.csv", "new.csv"])
def test_an_unfinished_export_is_deleted_when_somebody_is_erased(file, app, name):
    """The writer has the attendee's row already when the erasure is answered."""
    seen = []
    opened = app.extensions["keys of a transaction"]
    path = file.with_name(name)

    def keys(tx):
        if threading.current_thread() is writer and not seen:
            eraser = threading.Thread(target=erase_and_look)
            eraser.start()
            eraser.join()
        return opened(tx)

    def erase_and_look() -> None:
        with app.app_context():
            with writing() as tx:
                mine, _discussion = self_service.by_token(tx, token)
                receipt = erasures.erase(tx, mine, letters=None)
            app_context.record_erasure(receipt)
            seen.append(has_aigerim(file.parent))

    def write_it() -> None:
        with app.app_context():
            write(path)

    token = builders.attendee().token
    app.extensions["keys of a transaction"] = keys
    writer = threading.Thread(target=write_it)
    writer.start()
    writer.join()
    assert seen == [False]
    assert addresses(path) == ["bolat@example.org"]
    housekeeping.finish_erasures()
    assert addresses(file) == ["bolat@example.org"]


@on_sqlite
def test_an_unfinished_file_of_a_dead_writer_is_deleted_too(file):
    part = file.with_name(f".{file.name}.unfinished")
    part.write_bytes(b"aigerim@example.org")
    erase()
    assert export_removal.remove_stale(source()) == []
    assert list(file.parent.iterdir()) == []
    assert export_files.refresh(source(), set()) == [f"{file} was written anew."]


@on_sqlite
def test_an_export_that_somebody_changed_is_left_to_them(file):
    file.write_text("my notes on aigerim@example.org")
    erase()
    assert export_removal.remove_stale(source()) == []
    assert file.read_text() == "my notes on aigerim@example.org"
    (told,) = export_files.refresh(source(), set())
    assert told.startswith(f"{file} was changed since it was exported")


@on_sqlite
def test_an_export_that_the_operator_deleted_stays_away(file):
    file.unlink()
    erase()
    assert export_removal.remove_stale(source()) == []
    (told,) = export_files.refresh(source(), set())
    assert told.startswith(f"{file} is not there any more")
    assert known() == []
    assert not file.exists()


@on_sqlite
def test_an_erasure_succeeds_where_an_export_cannot_be_deleted(file, instance):
    with writing() as tx:
        tx.execute(update(Export).values(written_at=datetime.now(UTC)))
    file.parent.chmod(0o500)
    said = purge(instance, "--now", "water")
    file.parent.chmod(0o700)
    assert builders.count_registrations() == 0
    assert f"{file} contains people who were erased: delete it.\n" in said
    assert f"{file} contains people who were erased, and cannot be written anew: delete" in said
    assert known() == ["attendees.csv"]


@on_sqlite
def test_a_deleted_export_that_cannot_be_written_anew_is_told(file):
    erase()
    export_removal.remove_stale(source())
    file.parent.rename(file.parent.with_name("moved"))
    told = f"{file} contained people who were erased, and cannot be written anew."
    assert export_files.refresh(source(), set()) == [told]
    file.parent.with_name("moved").rename(file.parent)
    assert export_files.refresh(source(), set()) == [f"{file} was written anew."]


@on_sqlite
def test_another_file_in_the_place_of_a_deleted_export_is_never_overwritten(file):
    erase()
    export_removal.remove_stale(source())
    file.write_text("something else")
    export_files.refresh(source(), set())
    assert file.read_text() == "something else"
    assert known() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from registration import create_app, app_context
from registration.database import reading, writing
from registration.services.attendees import export_removal, export_records
kill = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
app = create_app()
with app.app_context():
    source = export_records.Source(reading, writing, app_context.settings().keys)
    if sys.argv[1] == "before":
        Path.unlink = kill
    else:
        export_removal.files.sync = kill
    export_removal.remove_stale(source)
"""


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_an_export_is_deleted_loses_nothing(file, instance, when):
    erase()
    database.engine().dispose()
    words = [sys.executable, "-c", KILLED, when]
    done = subprocess.run(words, cwd=TOP, env=environment(instance), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert file.exists() == (when == "before")
    assert export_files.refresh(source(), set()) == [f"{file} was written anew."]
    assert addresses(file) == ["bolat@example.org"]


def test_an_export_leaves_the_disk_after_seven_days(file, clock):
    housekeeping.run_hourly()
    clock.advance(days=6, hours=23)
    write(file.with_name("newer.csv"))
    housekeeping.run_hourly()
    assert sorted(known()) == ["attendees.csv", "newer.csv"]
    clock.advance(hours=1)
    housekeeping.run_hourly()
    assert known() == ["newer.csv"]
    assert [path.name for path in file.parent.iterdir()] == ["newer.csv"]
    with reading() as tx:
        assert tx.query(Registration).count() > 0


@on_sqlite
def test_an_export_that_was_written_anew_is_kept_no_longer(file, clock):
    clock.advance(days=5)
    erase()
    housekeeping.finish_erasures()
    assert file.exists()
    clock.advance(days=2)
    housekeeping.finish_erasures()
    assert not file.exists()


@on_sqlite
def test_an_old_export_that_somebody_changed_is_told_once(file, clock):
    file.write_text("my notes")
    clock.advance(days=7)
    told = f"{file} was exported 7 days ago and changed since: delete it."
    assert housekeeping.finish_erasures() == [told]
    assert housekeeping.finish_erasures() == []
    assert file.read_text() == "my notes"


@on_sqlite
def test_an_old_export_that_cannot_be_deleted_is_told(file, instance):
    with writing() as tx:
        tx.execute(update(Export).values(written_at=datetime(2026, 1, 1, tzinfo=UTC)))
    file.parent.chmod(0o500)
    said = purge(instance)
    file.parent.chmod(0o700)
    assert f"{file} is more than 7 days old: delete it.\n" in said
    assert known() == ["attendees.csv"]


def purge(instance: dict[str, str], *words: str) -> str:
    """Purge as somebody whom the modes of folders bind, and return all that is said."""
    database.engine().dispose()
    done = flask(instance, "registrations", "purge", *words, before=without_privileges())
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


@on_sqlite
def test_an_old_export_of_another_host_is_deleted_by_that_host(file, clock):
    with writing() as tx:
        tx.execute(update(Export).values(host="elsewhere"))
    file.unlink()
    clock.advance(days=7)
    assert export_removal.delete_old(source(), set()) == []
    assert known() == ["attendees.csv"]
    clock.advance(days=7)
    assert export_removal.delete_old(source(), set()) == []
    assert known() == []
