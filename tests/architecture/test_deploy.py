"""The files shipped for a server: units, scripts, the recipe of a container, and their page."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from registration import create_app, database
from registration.config import READERS

from ..machine import on_sqlite, program
from ..server_process import environment

TOP = Path(__file__).parent.parent.parent
DEPLOY = TOP / "deploy"
SERVICES = ("registration", "registration-backup")
OPERATIONS = (TOP / "docs" / "operations.md").read_text()
BLOCKS = "\n".join(re.findall(r"```\n(.*?)```", OPERATIONS, re.DOTALL)).replace("\\\n", " ")


def unit(name: str) -> str:
    return (DEPLOY / "systemd" / f"{name}.service").read_text()


@pytest.mark.parametrize("name", sorted(path.name for path in (DEPLOY / "systemd").iterdir()))
def test_systemd_finds_nothing_wrong_with_the_units(name, tmp_path):
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/opt/registration/.venv/bin/flask", "/bin/true")
        (tmp_path / path.name).write_text(text.replace("/opt/registration", str(TOP)))
    command = [program("systemd-analyze"), "verify", "--man=no", tmp_path / name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_rates_the_services_as_well_guarded(name):
    # In tenths: 0 is the best, 100 the worst. What speaks to the network cannot come to 0.
    command = [program("systemd-analyze"), "security", "--offline=yes", "--threshold=12"]
    path = DEPLOY / "systemd" / f"{name}.service"
    done = subprocess.run([*command, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_both_services_have_the_same_guard():
    guard = r"NoNewPrivileges=.*?SystemCallErrorNumber=\w+"
    guards = {re.search(guard, unit(name), re.DOTALL)[0] for name in SERVICES}
    assert len(guards) == 1


def test_the_services_cannot_read_the_history_of_the_code():
    for text in map(unit, SERVICES):
        assert "InaccessiblePaths=-/opt/registration/.git" in text


def test_every_reader_of_the_keys_has_the_same_place_and_user():
    for text in (*map(unit, SERVICES), (DEPLOY / "registration").read_text()):
        assert "LoadCredential=keys:/etc/registration/keys" in text
        assert "User=registration" in text
        assert "UMask=0077" in text


@on_sqlite
def test_the_backup_script_makes_one_and_keeps_as_many_as_it_is_told(app, instance, tmp_path):
    folder, checkout = tmp_path / "backups", tmp_path / "checkout"
    folder.mkdir()
    for name in ("2026-01-01T03-30-00Z.sqlite3", "2026-01-02T03-30-00Z.sqlite3", "mine.sqlite3"):
        (folder / name).touch()
    (checkout / ".venv" / "bin").mkdir(parents=True)
    flask = checkout / ".venv" / "bin" / "flask"
    flask.write_text(f'#!/bin/sh\nexec {sys.executable} -m flask "$@"\n')
    flask.chmod(0o700)
    (checkout / "wsgi.py").symlink_to(TOP / "wsgi.py")
    subprocess.run(
        [DEPLOY / "backup", folder, "2"],
        cwd=checkout,
        env=environment(instance) | {"PYTHONPATH": str(TOP)},
        check=True,
    )
    older, newest, other = sorted(path.name for path in folder.iterdir())
    assert (older, other) == ("2026-01-02T03-30-00Z.sqlite3", "mine.sqlite3")
    copy = create_app(instance | {"DATABASE_URL": f"sqlite:///{folder / newest}"})
    with copy.app_context():
        assert copy.test_cli_runner().invoke(args=["database", "check"]).exit_code == 0
        database.engine().dispose()


def test_the_container_installs_by_hash_and_runs_as_nobody_special():
    text = (DEPLOY / "Containerfile").read_text()
    final = text.split("\nFROM ")[-1]
    assert "--require-hashes" in text
    assert "USER registration" in final
    assert "HEALTHCHECK" in final
    assert "/health" in final
    assert "pip" not in final
    ignored = (TOP / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
    assert [name for name in copied if f"!{name}" not in ignored] == []
    assert "*" in ignored


@on_sqlite
def test_every_command_of_the_operations_page_is_there(app):
    said = re.findall(r"^(?:registration|.*\bflask) (\w+) (.*)$", BLOCKS, re.MULTILINE)
    said += re.findall(r"`(?:registration|flask) (\w+) ([^`]*)`", OPERATIONS)
    assert len(said) > 15
    for group, rest in said:
        found = app.cli.commands[group].load()
        words = shlex.split(rest)
        found = getattr(found, "commands", {words[0]: found})[words[0]]
        options = {name for option in found.params for name in option.opts}
        assert {word for word in words if word[:2] == "--"} <= options, rest


def test_every_setting_and_file_of_the_operations_page_is_there():
    names = re.findall(r"^([A-Z_]+) = ", BLOCKS, re.MULTILINE)
    names += re.findall(r"REGISTRATION_([A-Z_]+)=", BLOCKS)
    assert len(names) > 8
    assert set(names) <= set(READERS)
    files = re.findall(r"\b(?:deploy|requirements)/[\w./*-]+\w", OPERATIONS)
    assert [name for name in files if not list(TOP.glob(f"{name}*"))] == []
    for path in (DEPLOY / "nginx").iterdir():
        assert path.name in OPERATIONS
