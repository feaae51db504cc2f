"""Exports on disk: known of, and written anew without whoever is erased."""

import csv
import threading
from pathlib import Path

import pytest

from registration import house
from registration.cli import rounds
from registration.database import reading, writing
from registration.models import Export, Registration
from registration.services import attending, erasing, filing
from registration.services.filing import NotWritten, Sessions

from .. import builders
from ..machine import on_sqlite

NAMES = ["email", "name"]


def sessions() -> Sessions:
    return Sessions(reading, writing, house.ring)


def write(path: Path, separator: str = ",") -> None:
    filing.write(sessions(), "water", path, NAMES, separator, house.now())


def erase(address: str = "aigerim@example.org") -> None:
    token = builders.attendee(address).token
    with writing() as session:
        registration, _discussion = attending.by_token(session, token)
        erasing.erase(session, registration, letters=None, now=house.now())


def addresses(path: Path, separator: str = ",") -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["email"] for row in csv.DictReader(file, delimiter=separator)]


def known() -> list[tuple[str, bool]]:
    with reading() as session:
        return [(Path(row.path).name, row.is_stale) for row in session.query(Export)]


@pytest.fixture
def file(app, tmp_path) -> Path:
    """An export of two people."""
    builders.publish()
    builders.register()
    builders.register(address="bolat@example.org")
    write(tmp_path / "attendees.csv", ";")
    return tmp_path / "attendees.csv"


def test_an_export_loses_whoever_is_erased_and_gains_nobody(file):
    builders.register(address="later@example.org")
    erase()
    assert known() == [("attendees.csv", True)]
    assert filing.refresh(sessions()) == [f"{file} was written anew."]
    assert addresses(file, ";") == ["bolat@example.org"]
    assert known() == [("attendees.csv", False)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert filing.refresh(sessions()) == []


@on_sqlite
def test_an_export_of_nobody_is_deleted(file):
    for address in ("aigerim@example.org", "bolat@example.org"):
        erase(address)
    filing.refresh(sessions())
    assert not file.exists()
    assert known() == []
    assert list(file.parent.glob(".*")) == []


@on_sqlite
def test_an_export_that_somebody_changed_is_theirs_and_that_is_told(file):
    file.write_text("my notes")
    erase()
    (told,) = filing.refresh(sessions())
    assert told == f"{file} was changed since it was exported, and may hold people who were erased."
    assert file.read_text() == "my notes"
    assert known() == []


@on_sqlite
def test_an_export_that_was_moved_away_is_forgotten(file):
    file.rename(file.with_name("elsewhere.csv"))
    erase()
    assert filing.refresh(sessions()) == []
    assert known() == []


@on_sqlite
def test_an_export_that_cannot_be_written_anew_is_told_each_time(file):
    erase()
    file.with_name(f".{file.name}.unfinished").mkdir()
    for _ in range(2):
        (told,) = filing.refresh(sessions())
        assert told == f"{file} holds people who were erased, and cannot be written anew."
    assert known() == [("attendees.csv", True)]


@on_sqlite
def test_an_export_written_again_is_known_once(file):
    write(file)
    assert known() == [("attendees.csv", False)]
    assert addresses(file) == ["aigerim@example.org", "bolat@example.org"]


@on_sqlite
def test_an_export_that_fails_leaves_the_older_one_and_nothing_else(file):
    before = file.read_bytes()
    blocked = file.with_name(f".{file.name}.unfinished")
    blocked.mkdir()
    with pytest.raises(NotWritten):
        write(file)
    blocked.rmdir()
    assert file.read_bytes() == before
    assert list(file.parent.glob(".*")) == []


def test_whoever_is_erased_while_an_export_is_written_is_not_in_it_for_long(file, app):
    paused, go_on = threading.Event(), threading.Event()

    def ring(session):
        if threading.current_thread() is thread:
            paused.set()
            go_on.wait(5)
        return house.ring(session)

    def write_slowly() -> None:
        with app.app_context():
            slow = Sessions(reading, writing, ring)
            filing.write(slow, "water", file, NAMES, ",", house.now())

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert paused.wait(5)
    erase()
    go_on.set()
    thread.join()
    assert "aigerim@example.org" in addresses(file)
    rounds.make()
    assert addresses(file) == ["bolat@example.org"]


@on_sqlite
def test_the_worker_writes_stale_exports_anew_at_its_next_look(file, clock):
    rounds.make()
    erase()
    clock.advance(seconds=1)
    rounds.make()
    assert addresses(file, ";") == ["bolat@example.org"]
    with reading() as session:
        assert session.query(Registration).count() == 1
