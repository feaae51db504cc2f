"""The key comes as a credential or is typed in: servers wait for it, commands ask for it."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registration.crypto import key_ring
from registration.crypto.key_ring import make_key
from registration.server import unlocking

from ..builders import file
from ..server_process import TOP, Answer, Server, environment, flask

pytestmark = pytest.mark.slow

WORDS = "gravel lantern otter meadow"
AT_RISK = {"AT_RISK": "true"}


class Waiting(Server):
    """A server that may have no key yet: it has started once it answers anything."""

    def _answers(self) -> bool:
        try:
            return bool(self.get("/health").status)
        except OSError:
            return False

    def health(self) -> tuple[int, str]:
        answer = self.get("/health")
        return answer.status, json.loads(answer.text)["status"]


@pytest.fixture
def settings(tmp_path: Path, template: Path) -> dict[str, str]:
    """A fresh installation, on SQLite, with a key file."""
    shutil.copytree(template, tmp_path / "instance")
    return {"INSTANCE": str(tmp_path / "instance")}


@pytest.fixture
def locked(settings) -> dict[str, str]:
    """The same, with AT_RISK and a locked key."""
    assert run(settings, "keys", "lock").returncode == 0
    return settings | AT_RISK


@pytest.fixture
def server(locked, tmp_path) -> Iterator[Waiting]:
    with Waiting(locked, log=tmp_path / "log") as found:
        yield found


def run(settings: dict[str, str], *words: str, typed: str = WORDS) -> subprocess.CompletedProcess:
    done = flask(settings, *words, text=True, input=f"{typed}\n")
    assert "Traceback" not in done.stderr
    return done


def keys_of(settings: dict[str, str]) -> list[str]:
    return sorted(path.suffix for path in Path(settings["INSTANCE"], "keys").glob("*.*"))


def unlocked(settings: dict[str, str], typed: str = WORDS) -> str:
    done = run(settings, "keys", "unlock", typed=typed)
    return done.stdout + done.stderr


def test_at_risk_a_key_file_is_refused_at_start_with_what_to_do(settings):
    (key,) = Path(settings["INSTANCE"], "keys").glob("*.key")
    for words in (("serve",), ("outbox", "deliver"), ("database", "check")):
        done = run(settings | AT_RISK, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"Error: AT_RISK is on, and anybody who gets this disk can read {key}: protect it "
            "with `flask keys lock`, or make it a credential (docs/at-risk.md says how).\n"
        )


def test_at_risk_a_credential_is_enough(settings, tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (key,) = Path(settings["INSTANCE"], "keys").glob("*.key")
    key.rename(credentials / f"keys_{key.name}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    with Waiting(settings | AT_RISK, log=tmp_path / "log") as server:
        assert server.health() == (200, "ok")


def test_locking_deletes_the_key_file_and_the_same_data_opens(settings):
    assert keys_of(settings) == [".key"]
    done = run(settings, "keys", "lock")
    assert "nobody can read the registrations again" in done.stdout
    assert keys_of(settings) == [".locked"]
    assert run(settings, "database", "check").stdout == "The database and its keys are in order.\n"
    again = run(settings, "keys", "lock")
    assert (again.returncode, "has no key in the clear" in again.stderr) == (1, True)


def test_at_a_terminal_a_passphrase_is_typed_twice_and_never_shown(settings):
    # Without a controlling terminal, as the wrapper in deploy/ runs commands.
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "keys", "lock"],
        cwd=TOP,
        env=environment(settings),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    shown = ""
    for prompt in ("New passphrase: ", "Repeat for confirmation: "):
        while not shown.endswith(prompt):
            shown += os.read(ours, 1000).decode()
        os.write(ours, f"{WORDS}\n".encode())
    said, _nothing = process.communicate(timeout=60)
    os.close(theirs)
    assert (process.returncode, b"Locked: " in said) == (0, True)
    assert "gravel" not in shown
    assert keys_of(settings) == [".locked"]
    assert run(settings, "database", "check").returncode == 0
    os.close(ours)


def test_a_short_passphrase_locks_nothing(settings):
    done = run(settings, "keys", "lock", typed="secret")
    assert done.stderr.startswith("Error: The passphrase needs 20 to 1000 characters")
    assert keys_of(settings) == [".key"]


def test_a_new_installation_at_risk_never_has_a_key_on_its_disk(tmp_path):
    settings = {"INSTANCE": str(tmp_path / "instance")} | AT_RISK
    refused = run(settings, "database", "upgrade")
    assert (refused.returncode, "`flask keys lock --new`" in refused.stderr) == (1, True)
    assert run(settings, "keys", "lock", "--new").returncode == 0
    assert keys_of(settings) == [".locked"]
    assert run(settings, "keys", "lock", "--new").returncode == 1
    assert run(settings, "database", "upgrade", typed="").stdout == "The database is up to date.\n"
    assert run(settings, "database", "check").returncode == 0
    assert keys_of(settings) == [".locked"]


def test_a_locked_server_starts_waits_and_serves_once_it_has_the_key(server, locked):
    assert server.health() == (503, "locked")
    page: Answer = server.get("/")
    assert page.status == 503
    assert "its operators have to open it by hand" in page.text
    assert server.get("/static/icon.svg").status == 200
    assert unlocked(locked, "another lantern otter meadow") == (
        "Error: This passphrase does not open the key. Nothing was changed: try again.\n"
    )
    assert server.health() == (503, "locked")
    assert unlocked(locked) == "Handed to 1 running processes.\n"
    assert server.health() == (200, "ok")
    assert server.get("/").status == 200
    assert "the key is locked" in server.output.casefold()
    assert WORDS not in server.output


def test_after_a_restart_it_is_locked_again(server, locked):
    unlocked(locked)
    assert server.health() == (200, "ok")
    server.kill()  # as the watchdog does
    server.start()
    assert server.health() == (503, "locked")
    assert unlocked(locked) == "Handed to 1 running processes.\n"
    assert server.health() == (200, "ok")
    sockets = Path(locked["INSTANCE"], "unlock")
    assert len(list(sockets.iterdir())) == 1  # what the killed one left is removed


def test_the_socket_is_private_and_ends_with_the_server(server, locked):
    folder = Path(locked["INSTANCE"], "unlock")
    (path,) = folder.iterdir()
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    server.terminate()
    assert server.wait(30) == 0
    assert list(folder.iterdir()) == []
    assert "No process waits for the key" in unlocked(locked)


def test_nonsense_at_the_socket_opens_nothing_and_stops_nothing(server, locked):
    (path,) = Path(locked["INSTANCE"], "unlock").iterdir()
    foreign = bytes(32)
    name = key_ring.fingerprint(foreign)
    for line in (
        b"\n",
        b"[]\n",
        b"x" * 70_000,
        b'{"0123456789abcdef": "00"}\n',
        json.dumps({name: foreign.hex()}).encode() + b"\n",
    ):
        with socket.socket(socket.AF_UNIX) as client:
            with unlocking._reachable(path) as short:
                client.connect(short)
            try:
                client.sendall(line)
                client.shutdown(socket.SHUT_WR)
                client.recv(1000)
            except OSError:
                pass  # it hangs up on what is too long
    assert server.health() == (503, "locked")
    assert unlocked(locked) == "Handed to 1 running processes.\n"
    assert server.health() == (200, "ok")


def test_a_worker_of_its_own_waits_and_is_unlocked_with_the_server(locked, tmp_path):
    log = (tmp_path / "worker").open("w")
    words = [sys.executable, "-m", "flask", "outbox", "deliver", "--forever"]
    with Waiting(locked, "--without-mail", log=tmp_path / "log") as server:
        worker = subprocess.Popen(words, cwd=TOP, env=environment(locked), stdout=log, stderr=log)
        try:
            folder = Path(locked["INSTANCE"], "unlock")
            _until(lambda: len(list(folder.iterdir())) == 2)
            assert unlocked(locked) == "Handed to 2 running processes.\n"
            assert server.health() == (200, "ok")
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
            log.close()
    said = (tmp_path / "worker").read_text()
    assert said.count("The key is locked") == 1
    assert "The key was handed over" in said


def _until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_commands_ask_for_the_passphrase_and_backups_and_upgrades_need_none(locked, tmp_path):
    discussion = tmp_path / "water.toml"
    discussion.write_bytes(file())
    assert run(locked, "discussion", "publish", str(discussion)).returncode == 0
    for words in (
        ("registrations", "export", "water"),
        ("organizer", "add", "asel@example.org", "--role", "administrator"),
        ("organizer", "list"),
        ("outbox", "deliver"),
        ("keys", "list"),
    ):
        assert run(locked, *words).returncode == 0, words
        refused = run(locked, *words, typed="wrong")
        assert (refused.returncode, refused.stdout) == (1, ""), words
        assert "does not open the key" in refused.stderr
        without = run(locked, *words, typed="")
        assert (without.returncode, without.stdout) == (1, ""), words
        assert "type its passphrase at a terminal" in without.stderr
    backup = tmp_path / "backup.sqlite3"
    assert run(locked, "database", "backup", str(backup), typed="").returncode == 0
    assert run(locked, "database", "upgrade", typed="").returncode == 0
    for path in Path(locked["INSTANCE"]).glob("registration.sqlite3*"):
        path.unlink()
    assert run(locked, "database", "restore", str(backup)).returncode == 0


def test_a_rotation_hands_the_new_key_to_the_running_server_first(server, locked):
    unlocked(locked)
    (before,) = Path(locked["INSTANCE"], "keys").glob("*.locked")
    done = run(locked, "keys", "rotate")
    assert "registrations are sealed with the new key" in done.stdout
    assert server.health() == (200, "ok")
    assert keys_of(locked) == [".locked", ".locked"]
    before.unlink()
    server.kill()
    server.start()
    assert unlocked(locked) == "Handed to 1 running processes.\n"
    assert server.health() == (200, "ok")


def test_on_another_host_a_rotation_locks_until_the_file_is_brought(server, locked, tmp_path):
    unlocked(locked)
    elsewhere = tmp_path / "host"
    shutil.copytree(locked["INSTANCE"], elsewhere, ignore=shutil.ignore_patterns("unlock"))
    url = f"sqlite:///{locked['INSTANCE']}/registration.sqlite3"
    other = locked | {"INSTANCE": str(elsewhere), "DATABASE_URL": url}
    assert run(other, "keys", "rotate").returncode == 0
    answer = server.get("/health")
    assert (answer.status, "Pages are not served" in answer.text) == (200, True)
    (new,) = {path.name for path in (elsewhere / "keys").glob("*.locked")} - {
        path.name for path in Path(locked["INSTANCE"], "keys").glob("*.locked")
    }
    shutil.copy(elsewhere / "keys" / new, Path(locked["INSTANCE"], "keys"))
    assert server.health() == (503, "locked")
    assert unlocked(locked) == "Handed to 1 running processes.\n"
    assert server.health() == (200, "ok")


def test_locked_keys_stay_so_when_at_risk_is_switched_off(locked, tmp_path):
    off = locked | {"AT_RISK": "false"}
    with Waiting(off, log=tmp_path / "log") as server:
        assert server.health() == (503, "locked")
        unlocked(off)
        assert server.health() == (200, "ok")


def test_a_killed_lock_is_finished_by_the_next_one(settings):
    keys = Path(settings["INSTANCE"], "keys")
    (key,) = keys.glob("*.key")
    content = key.read_bytes()
    run(settings, "keys", "lock")
    key.write_bytes(content)  # as if it had been killed before it deleted the key
    key.chmod(0o600)
    assert "does not open the key" in run(settings, "keys", "lock", typed=WORDS * 2).stderr
    assert keys_of(settings) == [".key", ".locked"]
    assert run(settings, "keys", "lock").returncode == 0
    assert keys_of(settings) == [".locked"]


def test_a_second_key_gets_the_passphrase_of_the_first(locked):
    make_key(Path(locked["INSTANCE"], "keys"))
    assert run(locked, "keys", "lock").returncode == 0
    assert keys_of(locked) == [".locked", ".locked"]
    assert run(locked, "database", "check").returncode == 0


def test_the_passphrase_can_be_changed(locked):
    done = run(locked, "keys", "lock", "--new-passphrase", typed=f"{WORDS}\n{WORDS * 2}")
    assert done.stdout.startswith("Locked: ")
    assert run(locked, "database", "check", typed=WORDS * 2).returncode == 0
    assert run(locked, "database", "check").returncode == 1
    short = run(locked, "keys", "lock", "--new-passphrase", typed=f"{WORDS * 2}\nshort")
    assert "needs 20 to 1000 characters" in short.stderr
