"""A command imports what it require, and the rest of the service stays out of its start."""

import pytest

from registration.cli import COMMANDS

from .. import builders
from ..machine import on_sqlite
from ..server_process import flask

# Slow to import, and of use to pages, letters, calendars, the server or an upgrade alone.
OTHERS = {
    "alembic",
    "babel",
    "email_validator",
    "icalendar",
    "markdown_it",
    "registration.services.erasure.erasures",
    "registration.web",
    "registration.worker",
    "segno",
    "smtplib",
    "sqlalchemy.dialects.postgresql",
    "waitress",
    "wtforms",
}


@pytest.fixture(autouse=True)
def _told_imports(monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def imported(settings: dict[str, str], *words: str) -> set[str]:
    """Run `flask` as from a shell, and return the names of the modules that it imported."""
    done = flask(settings, *words, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {row.rpartition("|")[2].strip() for row in rows}


@on_sqlite
def test_a_list_of_registrations_imports_no_pages_calendars_or_migrations(app, instance):
    builders.publish()
    builders.register_and_confirm()
    names = imported(instance, "registrations", "list", "water")
    assert "registration.services.attendees.exports" in names
    assert names & OTHERS == set()


def test_the_help_of_flask_imports_no_command(tmp_path):
    names = imported({"INSTANCE": str(tmp_path)}, "--help")
    assert "registration.cli" in names
    assert names & {place.partition(":")[0] for place, _help in COMMANDS.values()} == set()
    assert names & OTHERS == set()


@pytest.mark.parametrize(
    ("words", "needed"), [(["routes"], "registration.web"), (["serve", "--help"], "waitress")]
)
def test_commands_that_need_pages_or_the_server_import_them(tmp_path, words, needed):
    assert needed in imported({"INSTANCE": str(tmp_path)}, *words)
