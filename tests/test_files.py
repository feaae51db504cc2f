"""Files: private, whole under their name, and locked by one at a time."""

import pytest

from registration import files


@pytest.mark.parametrize(("mode", "content"), [("w", b"new"), ("a", b"oldnew")])
def test_a_file_is_written_over_or_added_to_and_stays_private(tmp_path, mode, content):
    path = tmp_path / "list"
    with files.written(path, "x") as file:
        file.write(b"old")
    with files.written(path, mode) as file:
        file.write(b"new")
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_is_not_written_over_another(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError), files.written(path, "x"):
        pass
    assert path.read_bytes() == b"old"


def test_a_placed_part_replaces_nothing_and_a_replacing_one_does(tmp_path):
    path, part = tmp_path / "backup", files.part_path(tmp_path / "backup")
    path.write_bytes(b"old")
    part.write_bytes(b"new")
    with pytest.raises(FileExistsError):
        files.place(part, path)
    assert (path.read_bytes(), part.read_bytes()) == (b"old", b"new")
    files.replace(part, path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("backup", b"new")]


def test_a_placed_part_has_its_name_alone(tmp_path):
    path, part = tmp_path / "backup", files.part_path(tmp_path / "backup")
    part.write_bytes(b"new")
    files.place(part, path)
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_shared_locks_go_together_and_keep_an_exclusive_one_out(tmp_path):
    with (
        files.locked(tmp_path, shared=True),
        files.locked(tmp_path, shared=True),
        pytest.raises(BlockingIOError),
        files.locked(tmp_path),
    ):
        pytest.fail("it was locked")


def test_an_exclusive_lock_keeps_a_shared_one_out_until_its_block_ends(tmp_path):
    with (
        files.locked(tmp_path),
        pytest.raises(BlockingIOError),
        files.locked(tmp_path, shared=True),
    ):
        pytest.fail("it was locked")
    with files.locked(tmp_path, shared=True):
        pass
