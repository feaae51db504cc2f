"""flask serve does not start where that would endanger who registers, and says why."""

import shutil
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..machine import require
from ..server_process import Server, flask, free_port

pytestmark = pytest.mark.slow

PUBLIC = {"PUBLIC_URL": "https://events.example.org"}
ONION = "http://" + "a2" * 28 + ".onion"
DEBUG = "FLASK_DEBUG must be off where PUBLIC_URL is public."
NOT_HTTPS = "PUBLIC_URL must begin with https:// unless it is this machine itself."
NOT_TLS = "MAIL_URL must use smtps:// or smtp+starttls:// unless the server is this machine."

# What a disk in the network may do: files are locked by a file beside them, and no log is kept.
NETWORK_DISK = """
import pysqlite3.dbapi2 as sqlite

connect = sqlite.connect

def connect_there(path, **options):
    return connect(f"file:{path}?vfs=unix-dotfile", uri=True, **options)

sqlite.connect = connect_there
"""


@pytest.fixture
def settings(tmp_path: Path, template: Path) -> dict[str, str]:
    """A fresh installation, on SQLite."""
    shutil.copytree(template, tmp_path / "instance")
    return {"INSTANCE": str(tmp_path / "instance")}


def refused(settings: dict[str, str], *options: str) -> str:
    """Try to serve, and return why that was refused."""
    done = flask(settings, *options, "serve", "--port", str(free_port()), text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def of_settings(*mistakes: str) -> str:
    return "The settings are refused.\n" + "".join(f"  {mistake}\n" for mistake in mistakes)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_not_with_keys_that_others_can_read(settings, mode):
    (key,) = Path(settings["INSTANCE"], "keys").iterdir()
    key.chmod(mode)
    assert refused(settings) == f"Error: {key} can be read by others: run chmod 600 on it.\n"


def test_not_with_a_database_that_keeps_no_log(settings, tmp_path, monkeypatch):
    require(find_spec("pysqlite3"), "pysqlite3 has no wheel for this platform")
    with closing(sqlite3.connect(Path(settings["INSTANCE"], "registration.sqlite3"))) as database:
        database.execute("PRAGMA journal_mode = delete")
    (tmp_path / "sitecustomize.py").write_text(NETWORK_DISK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert refused(settings) == "Error: SQLite keeps journal_mode at delete where wal is needed.\n"


def test_not_with_a_setting_that_does_not_exist(settings):
    said = refused(settings | {"RETENTION_DAY": "1"})
    assert said.startswith(of_settings("REGISTRATION_RETENTION_DAY is not a setting; ")[:-2])
    Path(settings["INSTANCE"], "settings.toml").write_text("DEBUG = true\n")
    assert "  settings.toml: DEBUG is not a setting; " in refused(settings)


def test_not_in_debug_mode_where_others_come(settings, monkeypatch):
    assert refused(settings | PUBLIC, "--debug") == of_settings(DEBUG)
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert refused(settings | PUBLIC) == of_settings(DEBUG)
    assert refused(settings | {"PUBLIC_URL": ONION}) == of_settings(DEBUG)


@pytest.mark.parametrize("url", ["http://events.example.org", "http://192.168.1.5:8000"])
def test_not_without_tls_where_others_come(settings, url):
    assert refused(settings | {"PUBLIC_URL": url}) == of_settings(NOT_HTTPS)


@pytest.mark.parametrize("url", ["smtp://mail.example.org", "smtp://10.0.0.1:2525"])
def test_not_with_mail_in_the_clear_to_another_machine(settings, url):
    assert refused(settings | {"MAIL_URL": url}) == of_settings(NOT_TLS)


def test_every_reason_is_told_at_once(settings):
    wrong = {"PUBLIC_URL": "http://events.example.org", "MAIL_URL": "smtp://mail.example.org"}
    assert refused(settings | wrong, "--debug") == of_settings(NOT_HTTPS, NOT_TLS, DEBUG)


def test_it_starts_as_an_onion_service_and_with_mail_on_this_machine(settings, tmp_path):
    sound = {"PUBLIC_URL": ONION, "MAIL_URL": "smtp://127.0.0.1:2525"}
    with Server(settings | sound, "--without-mail", log=tmp_path / "log") as server:
        assert server.output == f"Serving {ONION} (Ctrl+C stops it)\n"
