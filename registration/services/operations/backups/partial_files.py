"""Writes files that appear whole or not at all, from a private part beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .... import files
from ....refusals import OperatorRefusal


class PartThere(OperatorRefusal):
    """A part of the same file exists: it is being written, or its writing was interrupted."""


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Make an empty part of `path` with mode 0600, and remove it when the block ends.

    Raises `PartThere`, OSError.
    """
    part = files.part_path(path)
    try:
        with files.written(part, "x"):
            pass
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
    files.sync(part)
    files.place(part, path)


def discard(path: Path) -> None:
    """Remove the part of `path`, with the journal that SQLite may have left beside it."""
    part = files.part_path(path)
    for each in (part, part.with_name(f"{part.name}-journal")):
        each.unlink(missing_ok=True)
