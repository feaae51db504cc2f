"""Durable files, which appear under their name whole or not at all, and the lock between processes.

An incomplete file is a part: a private file beside the name that it will get.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal


def part_path(path: Path) -> Path:
    """Return the path of the part of `path`."""
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def written(path: Path, mode: Literal["x", "w", "a"]) -> Iterator[IO[bytes]]:
    """Open a file that only its owner can read; its content is durable when the block ends.

    The modes are those of `open`. Raises OSError.
    """
    with open(path, f"{mode}b", opener=_open_private) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def place(part: Path, path: Path) -> None:
    """Give a durable part its name. Replaces nothing. Raises FileExistsError, OSError."""
    os.link(part, path)
    part.unlink()
    sync(path.parent)


def replace(part: Path, path: Path) -> None:
    """Give a durable part its name, in place of a file that has it. Raises OSError."""
    part.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Lock a file or folder until the block, or the process, ends; a `shared` lock keeps out
    exclusive ones only.

    Raises BlockingIOError if another process has it locked, and OSError if it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
