"""Writes files that appear whole or not at all, from a private part beside them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ....crypto.key_ring import sync
from ....refusals import Refusal


class PartThere(Refusal):
    """A part of the same file exists: it is being written, or its writing was interrupted."""


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Make an empty part of `path` with mode 0600, and remove it when the block ends.

    Raises `PartThere`, OSError.
    """
    part = part_path(path)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise PartThere(
            f"{part} is there already: remove it, unless it is being written at this moment."
        ) from None
    try:
        yield part
    finally:
        discard(path)


def finish(part: Path, path: Path) -> None:
    """Give a part its name, durably. Raises FileExistsError rather than replace anything."""
    sync(part)
    os.link(part, path)
    sync(path.parent)


def discard(path: Path) -> None:
    """Remove the part of `path`, with the journal that SQLite may have left beside it."""
    part = part_path(path)
    for each in (part, part.with_name(f"{part.name}-journal")):
        each.unlink(missing_ok=True)


def part_path(path: Path) -> Path:
    """Return the path of the part of `path`."""
    return path.with_name(f".{path.name}.unfinished")
