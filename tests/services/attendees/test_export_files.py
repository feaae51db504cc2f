"""Exports on disk: recorded, and written anew without erased attendees."""

import csv
import fcntl
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from registration import app_context, database
from registration.database import reading, writing
from registration.models import Export, Registration
from registration.services.attendees import export_files
from registration.services.attendees.export_files import NotWritten
from registration.services.attendees.export_records import BeingWritten, Source
from registration.services.erasure import erasures
from registration.services.operations import process_lock
from registration.services.registrations import self_service
from registration.worker import housekeeping

from ... import builders
from ...machine import on_postgresql, on_sqlite
from ...server_process import TOP, environment

NAMES = ["email", "name"]


def source() -> Source:
    return Source(reading, writing, app_context.settings().keys)


def write(path: Path, separator: str = ",") -> None:
    export_files.write(source(), "water", path, NAMES, separator, app_context.now())


def refresh() -> list[str]:
    return export_files.refresh(source(), set())


def erase(address: str = "aigerim@example.org") -> None:
    erase_by(builders.attendee(address).token)


def erase_by(token: str) -> None:
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        erasures.erase(tx, registration, letters=None)


def addresses(path: Path, separator: str = ",") -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["email"] for row in csv.DictReader(file, delimiter=separator)]


def known() -> list[tuple[str, bool]]:
    with reading() as tx:
        return [(Path(row.path).name, row.is_stale) for row in tx.query(Export)]


@pytest.fixture
def file(app, tmp_path) -> Path:
    """An export of two people."""
    builders.publish()
    builders.register()
    builders.register(address="bolat@example.org")
    write(tmp_path / "attendees.csv", ";")
    return tmp_path / "attendees.csv"


def test_an_export_loses_erased_attendees_and_gains_nobody(file):
    builders.register(address="later@example.org")
    erase()
    assert known() == [("attendees.csv", True)]
    assert refresh() == [f"{file} was written anew."]
    assert addresses(file, ";") == ["bolat@example.org"]
    assert known() == [("attendees.csv", False)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert refresh() == []


@on_sqlite
def test_an_export_of_nobody_is_deleted(file):
    for address in ("aigerim@example.org", "bolat@example.org"):
        erase(address)
    assert refresh() == [f"{file} was deleted: nobody is left in it."]
    assert not file.exists()
    assert known() == []
    assert list(file.parent.glob(".*")) == []


@on_sqlite
def test_an_export_that_somebody_changed_is_theirs_and_that_is_told(file):
    file.write_text("my notes")
    erase()
    (told,) = refresh()
    assert (
        told == f"{file} was changed since it was exported, and may contain people who were erased."
    )
    assert file.read_text() == "my notes"
    assert known() == []


@on_sqlite
@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_an_export_that_is_not_there_any_more_is_told(file, what, tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    write(folder / "a.csv")
    moved = folder / "a.csv" if what == "the file" else folder
    moved.rename(tmp_path / "elsewhere")
    erase()
    told = refresh()
    assert f"{folder / 'a.csv'} is not there any more, or the service cannot see it: " in told[1]
    assert known() == [("attendees.csv", False)]


@on_sqlite
def test_an_export_that_cannot_be_written_anew_is_told_each_time(file):
    erase()
    file.with_name(f".{file.name}.unfinished").mkdir()
    for _ in range(2):
        (told,) = refresh()
        assert (
            told
            == f"{file} contains people who were erased, and cannot be written anew: delete it."
        )
    assert known() == [("attendees.csv", True)]


@on_sqlite
def test_an_export_written_again_is_known_once(file):
    write(file)
    assert known() == [("attendees.csv", False)]
    assert addresses(file) == ["aigerim@example.org", "bolat@example.org"]


@on_sqlite
def test_a_failed_export_leaves_the_older_one_kept_clean(file):
    before = file.read_bytes()
    blocked = file.with_name(f".{file.name}.unfinished")
    blocked.mkdir()
    with pytest.raises(NotWritten):
        write(file)
    blocked.rmdir()
    assert file.read_bytes() == before
    assert list(file.parent.glob(".*")) == []
    erase()
    assert refresh() == [f"{file} was written anew."]
    assert addresses(file, ";") == ["bolat@example.org"]


@on_sqlite
def test_an_export_is_written_into_the_installation_while_it_serves(file):
    instance = app_context.settings().instance
    with process_lock.lock_for_service(instance):
        write(instance / "attendees.csv")
        with process_lock.lock_for_service(instance):
            erase()
    assert len(refresh()) == 2


@on_sqlite
def test_one_export_is_written_at_a_time(file):
    handle = os.open(source().lock, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BeingWritten, match="Another export is being written: try again"):
        write(file)
    erase()
    assert refresh() == []
    os.close(handle)
    assert refresh() == [f"{file} was written anew."]


@pytest.mark.parametrize("are_answers_erased", [False, True])
def test_an_export_is_begun_again_when_somebody_is_erased_meanwhile(file, app, are_answers_erased):
    if are_answers_erased:  # one erasure then ends as another row disappears that was counted
        with writing() as tx:
            tx.execute(update(Registration).values(answers_erased_at=app_context.now()))
    paused, go_on = threading.Event(), threading.Event()

    opened = app.extensions["keys of a transaction"]

    def keys(tx):
        if threading.current_thread() is thread:
            paused.set()
            go_on.wait(5)
        return opened(tx)

    def writing_and_looking():
        if new.exists():
            seen.append(addresses(new))
        return writing()

    def write_slowly() -> None:
        with app.app_context():
            looking = replace(source(), writing=writing_and_looking)
            export_files.write(looking, "water", new, NAMES, ",", app_context.now())

    new, seen = file.with_name("new.csv"), []
    token = builders.attendee().token
    app.extensions["keys of a transaction"] = keys
    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert paused.wait(5)
    erase_by(token)
    go_on.set()
    thread.join()
    # With the erased attendee it had its name at no moment.
    assert seen == [["bolat@example.org"]]
    assert addresses(new) == ["bolat@example.org"]
    assert ("new.csv", False) in known()


KILLED = """
import os, signal, sys
from pathlib import Path
from registration import create_app, database, app_context
from registration.database import reading, writing
from registration.services.attendees import export_files, export_records
name, where = sys.argv[1:]
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
app = create_app()
with app.app_context():
    source = export_records.Source(reading, writing, app_context.settings().keys)
    if where == "lines":
        export_files.exports.csv_lines = lambda rows, *_: (kill() if row else "" for row in rows)
    else:
        Path.replace = kill
    if name:
        export_files.write(source, "water", Path(name), ["email"], ",", app_context.now())
    else:
        export_files.refresh(source, set())
"""


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("where", ["lines", "name"])
@pytest.mark.parametrize("which", ["a new export", "one in place of an older", "a stale one"])
def test_a_kill_leaves_no_file_with_an_erased_attendee(file, instance, where, which):
    names = {"a new export": str(file.with_name("new.csv")), "one in place of an older": str(file)}
    name = names.get(which, "")
    if not name:
        erase()
    database.engine().dispose()
    words = [sys.executable, "-c", KILLED, name, where]
    done = subprocess.run(words, cwd=TOP, env=environment(instance), capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    if name:
        erase()
    told = refresh()
    assert all(sentence.endswith(" was written anew.") for sentence in told), told
    assert refresh() == []
    left = b"".join(path.read_bytes() for path in file.parent.glob("*") if path.is_file())
    left += b"".join(path.read_bytes() for path in file.parent.glob(".*") if path.is_file())
    assert b"aigerim" not in left
    assert b"bolat@example.org" in left


@on_sqlite
def test_a_refreshed_export_gains_nobody_who_came_later(file, clock):
    clock.advance(minutes=1)
    erase("bolat@example.org")
    builders.register(address="later@example.org")  # SQLite gives it the id that is free
    refresh()
    assert addresses(file, ";") == ["aigerim@example.org"]


@on_sqlite
@pytest.mark.parametrize("name", ["registration.sqlite3", "0123456789abcdef.key", "notes"])
def test_an_export_replaces_nothing_that_is_no_export(app, tmp_path, name):
    builders.publish()
    file = tmp_path / name
    file.write_text("something else")
    with pytest.raises(NotWritten, match=r"exists already, and is no \.csv: choose"):
        write(file)
    assert file.read_text() == "something else"


@on_sqlite
def test_an_export_that_could_not_be_written_is_not_known(app, tmp_path):
    builders.publish()
    for path in (tmp_path, tmp_path / "missing" / "a.csv", tmp_path / ("a" * 252 + ".csv")):
        with pytest.raises(NotWritten):
            write(path)
    assert known() == []


@on_postgresql
def test_an_export_in_place_waits_for_an_erasure_under_way(file, app):
    """The erasure begins when the file has its name, and ends before the export does."""
    begun, go_on = threading.Event(), threading.Event()

    def writing_while_it_is_erased():
        with reading() as tx:
            is_recorded = tx.query(Export).one().digest != before
        if is_recorded and not begun.is_set():
            eraser.start()
            assert begun.wait(5)
            threading.Timer(0.5, go_on.set).start()
        return writing()

    with reading() as tx:
        before = tx.query(Export).one().digest
    eraser = threading.Thread(target=erase_slowly, args=(app, begun, go_on))
    exports = replace(source(), writing=writing_while_it_is_erased)
    export_files.write(exports, "water", file, NAMES, ",", app_context.now())
    eraser.join()
    assert addresses(file) == ["bolat@example.org"]
    assert known() == [("attendees.csv", False)]


@on_postgresql
def test_an_erasure_that_ends_while_an_export_is_written_is_seen(file, app):
    """On PostgreSQL, an erasure may end after one that began later, and has the higher number.

    The export is stale already: otherwise the erasure has locked its record, and the export would
    not begin before the erasure has ended.
    """
    begun, go_on = threading.Event(), threading.Event()
    builders.register(address="first@example.org")
    erase("first@example.org")
    builders.publish_first()
    builders.register("bloody-january", "eve@example.org")
    eve = builders.attendee("eve@example.org", "bloody-january").token
    eraser = threading.Thread(target=erase_slowly, args=(app, begun, go_on))
    opened = app.extensions["keys of a transaction"]
    was_under_way = []

    def keys(tx):
        # Rows are unsealed after they were read: with the attendee who is being erased.
        if threading.current_thread() is not eraser and not go_on.is_set():
            was_under_way.append(eraser.is_alive())
            go_on.set()
            eraser.join()
        return opened(tx)

    eraser.start()
    assert begun.wait(5)
    erase_by(eve)
    app.extensions["keys of a transaction"] = keys
    assert refresh() == []
    assert known() == [("attendees.csv", True)]
    assert refresh() == [f"{file} was written anew."]
    assert was_under_way == [True]
    assert addresses(file, ";") == ["bolat@example.org"]
    assert known() == [("attendees.csv", False)]


def erase_slowly(app: Flask, begun: threading.Event, go_on: threading.Event) -> None:
    """Erase Aigerim in a transaction that ends when it is let go on."""
    with app.app_context():
        token = builders.attendee().token
        with writing() as tx:
            mine, _discussion = self_service.by_token(tx, token)
            erasures.erase(tx, mine, letters=None)
            begun.set()
            go_on.wait(5)


@on_sqlite
def test_one_export_that_cannot_be_written_delays_no_other(file, clock):
    write(file.with_name("other.csv"))
    blocked = file.with_name(f".{file.name}.unfinished")
    blocked.mkdir()
    erase()
    housekeeping.run_hourly()
    assert known() == [("attendees.csv", True), ("other.csv", False)]
    erase("bolat@example.org")
    clock.advance(seconds=1)
    housekeeping.run_hourly()
    assert known() == [("attendees.csv", True)]
    blocked.rmdir()
    clock.advance(seconds=1)
    housekeeping.run_hourly()
    assert file.exists()
    clock.advance(hours=1)
    housekeeping.run_hourly()
    assert not file.exists()


@on_sqlite
def test_a_stale_export_of_another_host_is_left_to_it(file):
    with writing() as tx:
        tx.execute(update(Export).values(host="elsewhere"))
    file.rename(file.with_name("moved.csv"))
    erase()
    assert refresh() == []
    assert known() == [("attendees.csv", True)]
    file.with_name("moved.csv").rename(file)
    assert refresh() == [f"{file} was written anew."]


@on_sqlite
def test_the_worker_writes_stale_exports_anew_at_its_next_look(file, clock):
    housekeeping.run_hourly()
    erase()
    clock.advance(seconds=1)
    housekeeping.run_hourly()
    assert addresses(file, ";") == ["bolat@example.org"]
    with reading() as tx:
        assert tx.query(Registration).count() == 1
