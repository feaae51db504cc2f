"""Personal data at rest: keys made once and never over another, seals, and the blind index."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from registration import app_context, create_app, database
from registration.crypto.key_ring import (
    PADDING_BYTES,
    KeyRing,
    KeysRefused,
    SealBroken,
    fingerprint,
    make_key,
    read_keys,
)
from registration.crypto.tokens import new_token, token_hash
from registration.database import reading, writing
from registration.models import Attendee, Installation, Registration, address_index
from registration.services import installation
from registration.text import addresses

from .. import builders

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
OLD_NAME, NEW_NAME = fingerprint(OLD), fingerprint(NEW)
ring = KeyRing({OLD_NAME: OLD}, OLD_NAME)
renewed = KeyRing({OLD_NAME: OLD, NEW_NAME: NEW}, NEW_NAME)


@given(st.text())
def test_a_sealed_value_is_unsealed_unchanged(name):
    attendee = Attendee("id", new_token(), new_token(), name, "a@example.org", name, {"q": name})
    sealed = attendee.sealed(ring)
    assert Attendee.unsealed(sealed, "id", ring) == attendee
    assert len(name) < 5 or name.encode() not in sealed


def test_equal_values_are_sealed_differently():
    assert ring.seal(b"value") != ring.seal(b"value")


def test_the_length_of_a_sealed_value_tells_little():
    lengths = {len(ring.seal(b"x" * length)) for length in range(1, PADDING_BYTES + 1)}
    assert len(lengths) == 1


def test_a_broken_seal_is_noticed():
    sealed = ring.seal(b"value")
    for place in range(0, len(sealed), 7):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(SealBroken):
            ring.unseal(bytes(broken))
    for broken in (b"", sealed[:-1], sealed[1:], b"value"):
        with pytest.raises(SealBroken):
            ring.unseal(broken)


def test_a_strangers_key_opens_nothing():
    with pytest.raises(SealBroken):
        KeyRing({NEW_NAME: NEW}, NEW_NAME).unseal(ring.seal(b"value"))


def test_an_old_key_still_unseals_and_the_new_one_seals():
    assert renewed.unseal(ring.seal(b"value")).rstrip() == b"value"
    with pytest.raises(SealBroken):
        ring.unseal(renewed.seal(b"value"))


def test_the_order_of_the_other_keys_does_not_matter():
    roots = {NEW_NAME: NEW, OLD_NAME: OLD}
    assert KeyRing(roots, OLD_NAME).unseal(ring.seal(b"value")).rstrip() == b"value"
    assert KeyRing(roots, OLD_NAME).index("a") == ring.index("a")


def test_a_sealed_value_does_not_open_in_another_row(app):
    builders.publish()
    builders.register()
    builders.register(address="bolat@example.org")
    with writing() as tx:
        one, other = tx.query(Registration).order_by(Registration.id)
        one.sealed, other.sealed = other.sealed, one.sealed
    with reading() as tx:
        for row in tx.query(Registration):
            with pytest.raises(SealBroken, match="not its own"):
                row.attendee(builders.ring())


def test_the_index_is_one_for_an_address_and_another_for_each_discussion():
    address = addresses.parse("Aigerim@Example.ORG")
    same = addresses.parse("aigerim@example.org")
    assert address_index(ring, "uid-1", address) == address_index(ring, "uid-1", same)
    assert address_index(ring, "uid-1", address) != address_index(ring, "uid-2", address)
    assert address_index(ring, "uid-1", address) != address_index(renewed, "uid-1", address)
    assert len(address_index(ring, "uid-1", address)) == 32


def test_secrets_differ_by_purpose_and_by_key():
    secrets = [ring.secret("web"), ring.secret("links"), renewed.secret("web")]
    assert len(set(secrets)) == 3
    assert ring.secret("web") == secrets[0]


def test_tokens_are_long_and_never_the_same():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}
    assert {len(token_hash(token)) for token in tokens} == {32}


def test_a_key_is_made_for_its_owner_only(tmp_path):
    folder = tmp_path / "keys"
    before = os.umask(0)
    try:
        name = make_key(folder)
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == [f"{name}.key"]
    assert (folder / f"{name}.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert fingerprint(read_keys(folder)[name]) == name


def test_every_key_made_is_another(tmp_path):
    assert len({make_key(tmp_path) for _ in range(5)}) == 5
    assert len(read_keys(tmp_path)) == 5


def test_a_fingerprint_tells_nothing_of_its_key():
    assert OLD_NAME not in OLD.hex()
    assert len(OLD_NAME) == 16


def test_no_folder_has_no_keys(tmp_path):
    assert read_keys(tmp_path / "keys") == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path, mode):
    path = tmp_path / f"{make_key(tmp_path)}.key"
    path.chmod(mode)
    with pytest.raises(KeysRefused, match="can be read by others: run chmod 600 on it"):
        read_keys(tmp_path)


def written_as(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


@pytest.mark.parametrize(
    "damage",
    [
        written_as(b""),
        written_as(b"no key"),
        written_as(b"\xff\x00" * 32),
        written_as(OLD.hex().encode()),
        lambda path: path.write_text(path.read_text()[:-2]),
        replaced_by_a_folder,
    ],
)
def test_a_damaged_key_is_told_and_not_replaced(tmp_path, damage):
    path = tmp_path / f"{make_key(tmp_path)}.key"
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(KeysRefused, match="put back the file that was there"):
        read_keys(tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert (path.read_bytes() if path.is_file() else None) == before


def test_installing_makes_one_key_and_one_row_once(app):
    keys = app_context.settings().keys
    before = sorted(keys.iterdir())
    assert len(before) == 1
    for _ in range(2):
        with writing() as tx:
            installation.install(tx, keys)
    assert sorted(keys.iterdir()) == before
    with reading() as tx:
        (row,) = tx.query(Installation)
        assert [f"{row.key_fingerprint}.key"] == [path.name for path in before]


def test_a_crash_between_key_and_row_uses_the_key_that_is_there(app):
    keys = app_context.settings().keys
    before = sorted(keys.iterdir())
    with writing() as tx:
        tx.query(Installation).delete()
    with writing() as tx:
        installation.install(tx, keys)
    with reading() as tx:
        assert installation.open_ring(tx, keys).current == before[0].stem
    assert sorted(keys.iterdir()) == before


def test_a_missing_key_is_told_and_none_is_made(app):
    keys = app_context.settings().keys
    (path,) = keys.iterdir()
    path.unlink()
    with writing() as tx:
        installation.install(tx, keys)
    with reading() as tx, pytest.raises(KeysRefused, match=rf"key {path.stem}, which is not"):
        installation.open_ring(tx, keys)
    assert list(keys.iterdir()) == []


def test_a_foreign_key_is_told_and_left_alone(app):
    keys = app_context.settings().keys
    (path,) = keys.iterdir()
    path.unlink()
    foreign = make_key(keys)
    with reading() as tx, pytest.raises(KeysRefused, match="put that key back"):
        installation.open_ring(tx, keys)
    assert [found.stem for found in keys.iterdir()] == [foreign]


def test_a_database_without_a_row_is_told_to_be_set_up(app):
    with writing() as tx:
        tx.query(Installation).delete()
    with reading() as tx, pytest.raises(KeysRefused, match="run `flask database upgrade`"):
        installation.open_ring(tx, app_context.settings().keys)


# The process ends itself at the n-th time that it touches the folder: as kill -9 would.
CUT = """
import os, sys
from pathlib import Path
from registration.crypto.key_ring import make_key
left = int(sys.argv[2])
def watch(event, arguments):
    global left
    if event in ("open", "os.link", "os.remove", "os.mkdir") and sys.argv[1] in str(arguments[0]):
        left -= 1
        if left == 0:
            os._exit(9)
sys.addaudithook(watch)
make_key(Path(sys.argv[1]))
"""


# Before the folder, the file (two events), its name, the end of the first name.
@pytest.mark.slow
@pytest.mark.parametrize(("step", "count"), [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1)])
def test_a_crash_while_a_key_is_made_leaves_a_whole_key_or_none(tmp_path, step, count):
    folder = tmp_path / "keys"
    assert subprocess.run([sys.executable, "-c", CUT, folder, str(step)]).returncode == 9
    assert len(read_keys(folder)) == count
    name = next(iter(read_keys(folder))) if read_keys(folder) else make_key(folder)
    assert set(read_keys(folder)) == {name}


def test_two_first_upgrades_at_once_agree_on_one_key(app, instance):
    keys = app_context.settings().keys
    for path in keys.iterdir():
        path.unlink()
    with writing() as tx:
        tx.query(Installation).delete()

    def install(other: Flask) -> None:
        with other.app_context():
            with writing() as tx:
                installation.install(tx, keys)
            database.engine().dispose()

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(install, create_app(instance)) for _ in range(4)]
    for each in done:
        each.result()
    with reading() as tx:
        assert list(read_keys(keys)) == [installation.open_ring(tx, keys).current]
