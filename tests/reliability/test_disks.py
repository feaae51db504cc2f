"""The disk that loses writes: it may lose unsynced data, and must keep the rest."""

from random import Random

import pytest

from .disks import SECTOR, Disk, NotUnderstood
from .traces import Call, Moment

FOLDER, NAME = "/data", "database"


def call(name: str, *, data: bytes = b"", number: int = 0, file: str = NAME, makes: bool = False):
    path = f"{FOLDER}/{file}" if file else FOLDER
    return Call(name, 0, 0, path, 0, data, number, makes)


def disk(*calls: Call, content: bytes | None = b"") -> Disk:
    """Return a disk that has seen these calls, each from its beginning to its end."""
    found = Disk(FOLDER, {NAME}, {} if content is None else {NAME: content})
    for each in calls:
        found.see(Moment(each, has_ended=False))
        found.see(Moment(each, has_ended=True))
    return found


def cuts(found: Disk) -> set[bytes | None]:
    """Return every state of the file that 400 power cuts leave."""
    return {found.after_cut(Random(seed)).get(NAME) for seed in range(400)}


def test_synced_data_survives_every_cut():
    written = disk(call("pwrite64", data=b"new"), call("fdatasync"), content=b"old")
    assert cuts(written) == {b"new"}
    assert written.is_settled


def test_unsynced_data_may_survive_or_be_lost():
    written = disk(call("pwrite64", data=b"new"), content=b"old")
    assert cuts(written) == {b"old", b"new"}
    assert not written.is_settled


def test_a_write_is_torn_at_sectors_only():
    written = disk(call("pwrite64", data=b"n" * 2 * SECTOR, number=SECTOR // 2))
    start, half, whole = bytes(SECTOR // 2), b"n" * (SECTOR // 2), b"n" * SECTOR
    assert {start + half, start + half + whole, start + half + whole + half} < cuts(written)
    for content in cuts(written):
        edges = [n for n in range(1, len(content)) if content[n] != content[n - 1]]
        assert all(edge % SECTOR == 0 for edge in edges if edge != SECTOR // 2)


def test_of_several_writes_any_may_be_lost():
    written = disk(call("pwrite64", data=b"a"), call("pwrite64", data=b"b", number=1))
    assert cuts(written) == {b"", b"a", b"\0b", b"ab"}


def test_writes_to_one_place_may_come_in_any_order():
    written = disk(call("pwrite64", data=b"a"), call("pwrite64", data=b"b"))
    assert cuts(written) == {b"", b"a", b"b"}


def test_a_sync_keeps_nothing_that_began_beside_it():
    found, write, sync = disk(content=b"old"), call("pwrite64", data=b"new"), call("fsync")
    for each, has_ended in ((sync, False), (write, False), (write, True), (sync, True)):
        found.see(Moment(each, has_ended=has_ended))
    assert cuts(found) == {b"old", b"new"}


def test_a_truncation_may_never_have_come_until_it_is_synced():
    cut = call("ftruncate", number=1)
    assert cuts(disk(cut, content=b"old")) == {b"old", b"o"}
    assert cuts(disk(cut, call("fsync"), content=b"old")) == {b"o"}


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (call("openat", makes=True), None, b""),
        (call("unlink"), b"old", None),
    ],
)
def test_a_directory_entry_is_certain_only_once_its_folder_is_synced(change, before, after):
    assert cuts(disk(change, content=before)) == {before, after}
    assert cuts(disk(change, call("fsync", file=""), content=before)) == {after}


def test_a_synced_file_may_be_missing_until_its_folder_is_synced_too():
    made = disk(
        call("openat", makes=True), call("pwrite64", data=b"new"), call("fsync"), content=None
    )
    assert cuts(made) == {None, b"new"}


def test_an_unknown_system_call_is_refused():
    with pytest.raises(NotUnderstood, match="rename on database"):
        disk(call("rename"))
