"""Locked keys open with their passphrase alone, and a kill loses no key."""

import json

import pytest

from registration.crypto import key_lock, key_ring
from registration.crypto.key_lock import Cost, PassphraseTooShort, WrongPassphrase
from registration.crypto.key_ring import KeysRefused, fingerprint

CHEAP = Cost(iterations=1, memory_kib=64)
WORDS = "gravel lantern otter meadow"
ROOT = bytes(range(32))


def test_a_locked_key_opens_with_its_passphrase(tmp_path):
    name = key_lock.lock(tmp_path / "keys", ROOT, WORDS, CHEAP)
    assert name == fingerprint(ROOT)
    assert key_lock.open_all(tmp_path / "keys", WORDS) == {name: ROOT}
    assert key_lock.names(tmp_path / "keys") == [name]


def test_letters_typed_in_another_form_are_the_same_passphrase(tmp_path):
    key_lock.lock(tmp_path, ROOT, "Ё й " + WORDS, CHEAP)
    assert key_lock.open_all(tmp_path, "\u0415\u0308 \u0438\u0306 " + WORDS)


def test_the_file_is_private_and_has_nothing_of_the_key(tmp_path):
    name = key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (file,) = tmp_path.iterdir()
    assert file.name == f"{name}.locked"
    assert file.stat().st_mode & 0o777 == 0o600
    assert ROOT.hex() not in file.read_text()
    assert WORDS not in file.read_text()
    stored = json.loads(file.read_text())
    assert (stored["v"], stored["kdf"]) == (1, "argon2id")
    assert (stored["iterations"], stored["memory_kib"]) == (1, 64)


def test_two_locks_of_one_key_have_nothing_in_common(tmp_path):
    written = []
    for folder in ("a", "b"):
        key_lock.lock(tmp_path / folder, ROOT, WORDS, CHEAP)
        (file,) = (tmp_path / folder).iterdir()
        written.append(json.loads(file.read_text()))
    assert all(written[0][name] != written[1][name] for name in ("salt", "nonce", "sealed"))


@pytest.mark.parametrize("wrong", ["", WORDS.upper(), WORDS + " ", "x" * 1000])
def test_a_wrong_passphrase_is_told_in_one_sentence_and_changes_nothing(tmp_path, wrong):
    key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    with pytest.raises(WrongPassphrase, match=r"does not open the key\. Nothing was changed"):
        key_lock.open_all(tmp_path, wrong)
    assert file.read_bytes() == before


def test_a_file_under_the_name_of_another_key_does_not_open(tmp_path):
    name = key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (tmp_path / f"{name}.locked").rename(tmp_path / f"{fingerprint(bytes(32))}.locked")
    with pytest.raises(WrongPassphrase):
        key_lock.open_all(tmp_path, WORDS)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"kdf": "scrypt"},
        {"memory_kib": 10**9},
        {"iterations": "1"},
        {"salt": "zz"},
        {"sealed": None},
    ],
)
def test_a_damaged_file_is_named(tmp_path, change):
    key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(KeysRefused, match="is not a locked key"):
        key_lock.open_all(tmp_path, WORDS)
    for content in ("", "[]", "{}", "\x00"):
        file.write_text(content)
        with pytest.raises(KeysRefused, match="is not a locked key"):
            key_lock.open_all(tmp_path, WORDS)


def test_every_changed_byte_of_the_sealed_key_is_noticed(tmp_path):
    key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (file,) = tmp_path.iterdir()
    stored = json.loads(file.read_text())
    sealed = bytes.fromhex(stored["sealed"])
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        file.write_text(json.dumps(stored | {"sealed": changed.hex()}))
        with pytest.raises(WrongPassphrase):
            key_lock.open_all(tmp_path, WORDS)


def test_a_second_attempt_takes_what_a_killed_one_left(tmp_path):
    key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    assert key_lock.lock(tmp_path, ROOT, WORDS, CHEAP) == fingerprint(ROOT)
    assert file.read_bytes() == before
    with pytest.raises(WrongPassphrase):
        key_lock.lock(tmp_path, ROOT, WORDS * 2, CHEAP)
    file.rename(tmp_path / f".{file.name}.unfinished")
    assert key_lock.lock(tmp_path, ROOT, WORDS, CHEAP)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("words", ["x" * 19, "x" * 1001])
def test_a_new_passphrase_is_long_enough(words):
    with pytest.raises(PassphraseTooShort, match="six words at random"):
        key_lock.check(words)
    key_lock.check(WORDS)


def test_a_made_key_is_never_on_the_disk_in_the_clear(tmp_path):
    name = key_lock.make(tmp_path, WORDS, CHEAP)
    root = key_ring.read_keys(tmp_path)[name]
    assert [path.suffix for path in tmp_path.iterdir()] == [".locked"]
    key_ring.forget(tmp_path)
    assert key_ring.read_keys(tmp_path) == {}
    assert key_lock.open_all(tmp_path, WORDS) == {name: root}


def test_a_key_is_kept_under_its_own_name_only(tmp_path):
    with pytest.raises(KeysRefused, match="not the key that its name says"):
        key_ring.keep(tmp_path, {fingerprint(bytes(32)): ROOT})
    assert key_ring.read_keys(tmp_path) == {}


def test_another_passphrase_opens_every_key_and_the_old_one_none(tmp_path):
    roots = {key_lock.lock(tmp_path, root, WORDS, CHEAP): root for root in (ROOT, bytes(32))}
    key_lock.change_passphrase(tmp_path, key_lock.open_all(tmp_path, WORDS), WORDS * 2, CHEAP)
    assert key_lock.open_all(tmp_path, WORDS * 2) == roots
    with pytest.raises(WrongPassphrase):
        key_lock.open_all(tmp_path, WORDS)
    assert {path.suffix for path in tmp_path.iterdir()} == {".locked"}


def test_a_killed_change_is_finished_with_the_old_passphrase(tmp_path):
    one, other = (key_lock.lock(tmp_path, root, WORDS, CHEAP) for root in (ROOT, bytes(32)))
    key_lock.change_passphrase(tmp_path, {one: ROOT}, WORDS * 2, CHEAP)  # and then the power went
    left = key_lock.open_all(tmp_path, WORDS)
    assert left == {other: bytes(32)}
    key_lock.change_passphrase(tmp_path, left, WORDS * 2, CHEAP)
    assert set(key_lock.open_all(tmp_path, WORDS * 2)) == {one, other}
