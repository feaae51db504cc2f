"""flask keys: which key seals, what a rotation says to keep; and keys that systemd hands over."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from registration import app_context, create_app, database
from registration.crypto.key_ring import KeysRefused, make_key

from .. import builders
from ..machine import on_sqlite


def run(app: Flask, *words: str) -> Result:
    done = app.test_cli_runner().invoke(args=["keys", *words])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


@on_sqlite
def test_list_tells_which_key_seals_and_what_each_opens(app):
    builders.publish()
    builders.register()
    first = builders.ring().current
    other = make_key(app_context.settings().keys)
    listed = json.loads(run(app, "list", "--json").stdout)
    assert [(row["fingerprint"], row["in_use"], row["registrations"]) for row in listed] == [
        (first, True, 1),
        (other, False, 0),
    ]
    lines = run(app, "list").stdout.splitlines()
    assert lines[0].split() == ["fingerprint", "made_at", "in_use", "registrations"]
    assert lines[1].split()[0] == first
    assert lines[1].split()[2:] == ["yes", "1"]


@on_sqlite
def test_rotate_seals_with_a_new_key_and_names_the_old_one(app):
    builders.publish()
    builders.register()
    first = builders.ring().current
    said = run(app, "rotate").stdout
    now = builders.ring().current
    assert now != first
    assert f"1 registrations are sealed with the new key {now}." in said
    assert f"The old key {first} opens backups made before now" in said
    listed = json.loads(run(app, "list", "--json").stdout)
    assert [row["registrations"] for row in listed] == [1, 0]
    assert builders.attendee().address == "aigerim@example.org"


@on_sqlite
def test_rotate_without_the_key_in_use_is_refused_and_makes_none(app):
    keys = app_context.settings().keys
    lost = keys / f"{builders.ring().current}.key"
    lost.rename(keys.parent / "elsewhere")
    app.extensions.pop("ring")
    done = run(app, "rotate")
    assert done.exit_code == 1
    assert f"{lost.stem}, which is not in {keys}: put that key back." in done.stderr
    assert list(keys.iterdir()) == []


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What LoadCredential=keys:<folder> gives to a service: read by an access list of its own."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


@on_sqlite
def test_a_key_that_systemd_hands_over_opens_the_database(instance, credentials, clock):
    folder = Path(instance["INSTANCE"]) / "keys"
    for key in folder.glob("*.key"):
        handed = Path(shutil.move(key, credentials / f"keys_{key.name}"))
        handed.chmod(0o440)
    app = create_app(instance, clock=clock)
    with app.app_context():
        builders.publish()
        builders.register()
        assert builders.attendee().address == "aigerim@example.org"
        listed = json.loads(run(app, "list", "--json").stdout)
        assert [(row["in_use"], row["made_at"]) for row in listed] == [(True, None)]
        handed.chmod(0o444)
        app.extensions.pop("ring")
        with pytest.raises(KeysRefused, match="can be read by others"):
            builders.ring()
        database.engine().dispose()


def test_a_new_installation_takes_the_key_that_systemd_hands_over(tmp_path, credentials):
    made = make_key(credentials)
    app = create_app({"INSTANCE": str(tmp_path / "instance")})
    app.test_cli_runner().invoke(args=["database", "upgrade"], catch_exceptions=False)
    with app.app_context():
        assert builders.ring().current == made
        assert list(app_context.settings().keys.glob("*.key")) == []
        database.engine().dispose()
