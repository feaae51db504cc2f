"""flask registrations: the list, and the CSV on standard output or in a file of its own."""

import csv
import io
import json
import os
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import update

from registration.database import writing
from registration.models import Registration

from .. import builders

LATER = (
    "is deleted after 7 days. Until then, people who are erased here leave it too, "
    "unless you move or change it.\n"
)


def run(app: Flask, *words: str) -> Result:
    done = app.test_cli_runner().invoke(args=["registrations", *words])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


@pytest.fixture
def two(app: Flask) -> Flask:
    """A discussion with two registrations."""
    builders.publish()
    builders.register_and_confirm()
    builders.register(address="bolat@example.org", name="+7 701 111 22 33", affiliation="a;b,c")
    return app


def test_export_writes_the_csv_to_standard_output(two):
    written = run(two, "export", "water").stdout_bytes
    assert written.startswith(b"\xef\xbb\xbfregistered_at,status,name,email,affiliation,language,")
    rows = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")))
    assert [row[1:5] for row in rows[1:]] == [
        ["confirmed", "Айгерим", "aigerim@example.org", ""],
        ["unconfirmed", "'+7 701 111 22 33", "bolat@example.org", "a;b,c"],
    ]
    assert written.count(b"\r\n") == 3
    assert written.replace(b"\r\n", b"").count(b"\n") == 0


@pytest.mark.parametrize(("named", "separator"), [(";", ";"), ("tab", "\t"), (",", ",")])
def test_export_takes_columns_and_separator(two, named, separator):
    done = run(two, "export", "water", "--columns", "email, name", "--separator", named)
    first, second, third, _end = done.stdout.removeprefix("\ufeff").split("\n")
    assert first.rstrip("\r").split(separator) == ["email", "name"]
    assert second.rstrip("\r").split(separator) == ["aigerim@example.org", "Айгерим"]
    assert third.rstrip("\r").split(separator) == ["bolat@example.org", "'+7 701 111 22 33"]


@pytest.mark.parametrize("separator", ["|", "", "ab", "\n", '"'])
def test_export_refuses_another_separator(two, separator):
    done = run(two, "export", "water", "--separator", separator)
    assert done.exit_code == 2
    assert "must be , or ; or tab" in done.stderr


def test_export_refuses_an_unknown_column(two, tmp_path):
    file = tmp_path / "attendees.csv"
    done = run(two, "export", "water", "--columns", "email,phone", "--output", str(file))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: There is no column phone; there are registered_at, ")
    assert not file.exists()


@pytest.mark.parametrize("command", ["list", "export"])
def test_a_discussion_that_is_not_there_is_told(app, command):
    done = run(app, command, "nothing")
    assert (done.exit_code, done.stderr) == (1, "Error: There is no discussion nothing.\n")
    assert done.stdout == ""


def test_output_is_for_its_owner_only_and_replaces_an_older_one(two, tmp_path):
    file = tmp_path / "attendees.csv"
    file.write_text("older")
    file.chmod(0o644)
    before = os.umask(0)
    try:
        done = run(two, "export", "water", "--output", str(file))
    finally:
        os.umask(before)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{file} " + LATER
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == run(two, "export", "water").stdout_bytes
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["attendees.csv"]


def test_output_is_the_older_file_when_the_export_fails(two, tmp_path):
    file = tmp_path / "attendees.csv"
    file.write_text("older")
    with writing() as tx:
        tx.execute(update(Registration).where(Registration.id == 2).values(sealed=b"broken"))
    done = run(two, "export", "water", "--output", str(file))
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "does not open with the keys" in done.stderr
    assert file.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["attendees.csv"]


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", [".", "/", "folder", "missing/a.csv", "file/a.csv", "a" * 300])
def test_output_that_cannot_be_written_is_told(two, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("a file")
    before = sorted(tmp_path.rglob("*"))
    done = run(two, "export", "water", "--output", place)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {Path(place).absolute()} ")
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_list_shows_who_comes(two):
    lines = run(two, "list", "water").stdout.splitlines()
    assert lines[0].split() == [
        "registered_at", "status", "name", "email", "affiliation", "letter_state"
    ]  # fmt: skip
    assert lines[1].split() == [
        "2026-03-02T12:00:00Z", "confirmed", "Айгерим", "aigerim@example.org", "owed"
    ]  # fmt: skip
    assert len(lines) == 3


def test_list_gives_json_with_every_column_as_it_was_typed(two):
    rows = json.loads(run(two, "list", "water", "--json").stdout)
    assert [(row["name"], row["status"]) for row in rows] == [
        ("Айгерим", "confirmed"),
        ("+7 701 111 22 33", "unconfirmed"),
    ]
    assert list(rows[0]) == [
        "registered_at", "status", "name", "email", "affiliation", "language", "confirmed_at",
        "withdrawn_at", "attended", "letter_state", "shared_with",
    ]  # fmt: skip


def test_a_discussion_without_registrations_has_a_header_only(app):
    builders.publish()
    assert run(app, "list", "water").stdout.count("\n") == 1
    assert run(app, "export", "water").stdout.count("\n") == 1
