"""The database: settings of SQLite, promises of a session, and errors when it is unavailable."""

import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from registration import create_app, database
from registration.database import (
    DatabaseBusy,
    DatabaseUnavailable,
    connect,
    connection,
    fair_lock,
    is_scrub_due,
    phrased,
    reading,
    scrub,
    writing,
)
from registration.models import BucketLevel, Erasure, Installation, Registration

from .. import builders

CANNOT_OPEN = "The database cannot be opened: does its folder exist, and may this user write there?"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
sqlite = pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
postgresql = pytest.mark.parametrize("instance", ["postgresql"], indirect=True)


def pragmas(engine) -> dict[str, object]:
    names = ["journal_mode", "synchronous", "secure_delete", "foreign_keys"]
    with engine.connect() as connection:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}


def test_sqlite_is_opened_with_a_log_that_survives_power_cuts(tmp_path):
    if connection._sqlite_module() is sqlite3:
        pytest.skip("pysqlite3 has no wheel for this machine")
    engine = connect(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    assert engine.dialect.dbapi.sqlite_version_info >= (3, 51, 3)
    assert pragmas(engine) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
    }
    engine.dispose()


# In a process where pysqlite3 cannot be imported, as on a machine without a wheel for it.
WITHOUT_WHEEL = """
import sqlite3, sys
sys.modules["pysqlite3"] = sys.modules["pysqlite3.dbapi2"] = None
from registration.database import connect
engine = connect("sqlite:///" + sys.argv[1])
assert engine.dialect.dbapi.sqlite_version_info == sqlite3.sqlite_version_info
with engine.connect() as connection:
    for name in ["journal_mode", "synchronous", "secure_delete", "foreign_keys"]:
        print(connection.exec_driver_sql(f"PRAGMA {name}").scalar())
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_an_older_library_gets_a_journal_that_survives_power_cuts(tmp_path, journal):
    file = tmp_path / "database.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE something (id)")
    connection.close()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_WHEEL, file], capture_output=True, text=True
    )
    expected = "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "truncate"
    assert done.stdout.split() == [expected, "2", "1", "1"], done.stderr


def test_a_connection_that_does_not_obey_is_refused(tmp_path):
    # Where files lock by a file beside them, as on some network disks, SQLite has no log.
    engine = connect(f"sqlite:///file:{tmp_path}/new.sqlite3?vfs=unix-dotfile&uri=true")
    with pytest.raises(DatabaseUnavailable, match="SQLite keeps journal_mode at delete where wal"):
        engine.connect()


def test_the_file_and_its_log_are_for_their_owner_only(tmp_path):
    file = tmp_path / "new.sqlite3"
    engine = connect(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE something (id)")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "new.sqlite3" in modes
    engine.dispose()


@sqlite
def test_writers_begin_at_once_and_readers_do_not(app):
    said = []
    event.listen(database.engine(), "before_cursor_execute", lambda *words: said.append(words[2]))
    with writing() as tx:
        tx.execute(text("SELECT 1"))
    with reading() as tx:
        tx.execute(text("SELECT 1"))
    assert [words for words in said if words.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]


def test_a_naive_time_is_refused(app):
    with pytest.raises(StatementError, match="a naive time is no instant"), writing() as tx:
        tx.execute(
            insert(BucketLevel).values(bucket_key=b"a", tokens=1, at=NOW.replace(tzinfo=None))
        )
    with reading() as tx:
        assert tx.scalars(select(BucketLevel)).all() == []


def test_a_time_of_any_zone_comes_back_in_utc(app):
    almaty = timezone(timedelta(hours=5))
    with writing() as tx:
        tx.add(BucketLevel(bucket_key=b"a", tokens=1, at=NOW.astimezone(almaty)))
    with reading() as tx:
        at = tx.scalars(select(BucketLevel.at)).one()
    assert (at, at.tzinfo) == (NOW, UTC)


def test_a_block_that_raises_is_rolled_back(app):
    def fail() -> None:
        with writing() as tx:
            tx.execute(insert(Erasure).values(public_id="a", day=NOW.date()))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with reading() as tx:
        assert tx.scalars(select(Erasure)).all() == []


def test_a_broken_reference_is_refused(app):
    builders.publish()
    builders.register()
    with pytest.raises(IntegrityError), writing() as tx:
        tx.execute(update(Registration).values(discussion_id=4711))


def test_a_reader_sees_one_state_while_others_write(app):
    with reading() as tx:
        before = tx.scalars(select(Erasure.public_id)).all()
        with writing() as writer:
            writer.execute(insert(Erasure).values(public_id="a", day=NOW.date()))
        after = tx.scalars(select(Erasure.public_id)).all()
    assert (before, after) == ([], [])


def test_writes_of_a_reader_are_not_kept(app):
    with reading() as tx:
        tx.execute(insert(Erasure).values(public_id="a", day=NOW.date()))
    with reading() as tx:
        assert tx.scalars(select(Erasure)).all() == []


def test_writers_queue_and_lose_no_count(app):
    def count() -> None:
        with app.app_context():
            for _ in range(10):
                with writing() as tx:
                    row = tx.get_one(Installation, 1, with_for_update=True)
                    time.sleep(0.001)
                    row.content_version += 1

    writers = [threading.Thread(target=count) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with reading() as tx:
        assert tx.get_one(Installation, 1).content_version == 80


@sqlite
def test_a_writer_that_waits_too_long_is_told_so(impatient, instance):
    other = create_app(instance)
    with other.app_context(), writing() as tx:
        tx.execute(update(Installation).values(content_version=1))
        started = time.monotonic()
        with impatient.app_context(), pytest.raises(DatabaseBusy, match="try again in a minute"):
            set_content_version(2)
        waited = time.monotonic() - started
    lock_timeout_seconds = impatient.config["LOCK_TIMEOUT_SECONDS"]
    assert lock_timeout_seconds - 0.1 < waited < lock_timeout_seconds + 2
    with other.app_context():
        database.engine().dispose()
    with reading() as late:
        assert late.get_one(Installation, 1).content_version == 1


@sqlite
def test_a_stuck_lock_keeps_eight_writers_waiting_and_tells_the_others_soon(app):
    waits = queue_up(app, 12, late=2, held=3.5)
    told, written = sorted(waits["busy"]), sorted(waits["written"])
    assert (len(told), len(written)) == (6, 8)
    assert max(told[:2]) < 1, "it was known to be stuck when they came"
    assert fair_lock.STUCK_SECONDS - 0.1 < min(told[2:]) <= max(told) < min(written)


@sqlite
def test_a_queue_that_moves_tells_nobody_that_it_is_busy(app):
    waits = queue_up(app, 30, each=0.1)
    assert {name: len(found) for name, found in waits.items()} == {"busy": 0, "written": 30}
    assert max(waits["written"]) > fair_lock.STUCK_SECONDS


def queue_up(
    app, count: int, *, late: int = 0, held: float = 0, each: float = 0
) -> dict[str, list[float]]:
    """Have so many write at once, and some more two seconds later, while another has the lock for
    `held` seconds; return how long each waited until it was done or told that all is busy."""
    waits: dict[str, list[float]] = {"busy": [], "written": []}

    def write(wait: float) -> None:
        time.sleep(wait)
        started = time.monotonic()
        with app.app_context():
            try:
                with writing():
                    time.sleep(each)
                came = "written"
            except DatabaseBusy:
                came = "busy"
        waits[came].append(time.monotonic() - started)

    pauses = [0] * count + [2.1] * late
    writers = [threading.Thread(target=write, args=[pause]) for pause in pauses]
    with writing():
        for writer in writers:
            writer.start()
        time.sleep(held)
    for writer in writers:
        writer.join()
    return waits


def set_content_version(number: int, patience: str | None = None) -> None:
    with writing() as tx:
        if patience:
            tx.execute(text(f"SET LOCAL lock_timeout = '{patience}'"))
        tx.execute(update(Installation).values(content_version=number))


@postgresql
def test_a_writer_that_waits_for_a_row_too_long_is_told_so(app, instance):
    with reading() as tx:
        assert tx.scalar(text("SHOW lock_timeout")) == f"{database.LOCK_TIMEOUT_SECONDS}s"
    with writing() as tx:
        tx.execute(update(Installation).values(content_version=1))
        with pytest.raises(DatabaseBusy):
            set_content_version(2, patience="50ms")


@sqlite
def test_the_log_is_emptied_unless_somebody_reads(app):
    log = Path(app.extensions["settings"].instance) / "registration.sqlite3-wal"
    with writing() as tx:
        tx.execute(insert(Erasure).values(public_id="a", day=NOW.date()))
    scrub()
    assert not is_scrub_due()
    assert log.stat().st_size == 0
    with reading() as tx:
        tx.scalars(select(Erasure)).all()
        with writing() as writer:
            writer.execute(insert(Erasure).values(public_id="b", day=NOW.date()))
        started = time.monotonic()
        scrub()
        assert is_scrub_due()
        assert time.monotonic() - started < 1
    scrub()
    assert not is_scrub_due()


def run(engine: Engine, statement: str) -> None:
    with phrased(), engine.connect() as connection:
        connection.exec_driver_sql(statement)


def refusal(url: str, statement: str = "SELECT 1 FROM letters") -> str:
    engine = connect(url)
    try:
        with pytest.raises(DatabaseUnavailable) as refused:
            run(engine.execution_options(writes=True), statement)
    finally:
        engine.dispose()
    return str(refused.value)


@pytest.mark.parametrize("place", ["missing/database.sqlite3", "file/database.sqlite3", ""])
def test_a_place_that_cannot_hold_a_database_is_told(tmp_path, place):
    (tmp_path / "file").write_text("no folder")
    assert refusal(f"sqlite:///{tmp_path / place}") == CANNOT_OPEN


@pytest.mark.parametrize("content", [b"not a database\n" * 100, bytes(range(256)) * 64])
def test_a_file_that_is_no_database_is_told(tmp_path, content):
    file = tmp_path / "database.sqlite3"
    file.write_bytes(content)
    said = refusal(f"sqlite:///{file}")
    assert said == "The database's file is something else: check DATABASE_URL."
    assert file.read_bytes() == content


@sqlite
def test_a_damaged_database_is_told(app, instance):
    builders.publish()
    scrub()
    database.engine().dispose()
    file = Path(instance["INSTANCE"]) / "registration.sqlite3"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    said = refusal(database.engine().url.render_as_string(), "SELECT * FROM erasures")
    assert said == "The database is damaged: put back a backup."


@sqlite
def test_a_read_only_database_is_told(app, instance):
    builders.publish()
    said = refusal(
        f"sqlite:///file:{instance['INSTANCE']}/registration.sqlite3?mode=ro&uri=true",
        "UPDATE installation SET content_version = 9",
    )
    assert said == "The database is read-only: give this user the right to write it."


def test_an_empty_database_is_told(tmp_path):
    said = refusal(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    assert said == "The database has no tables yet: run `flask database upgrade`."


def test_an_empty_postgresql_database_is_told(postgres):
    said = refusal(postgres.format(name="postgres"))
    assert said == "The database has no tables yet: run `flask database upgrade`."


def test_a_server_that_does_not_answer_is_told(tmp_path):
    said = refusal(f"postgresql+psycopg://somebody:secret@/nothing?host={tmp_path}")
    assert said.startswith("The database does not answer: ")
    assert "secret" not in said
    assert "\n" not in said
