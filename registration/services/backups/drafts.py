"""Files that appear under their name whole, or not at all; until then, a private draft beside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...refusals import Refusal
from ...sealing import sync


class DraftThere(Refusal):
    """Another draft of the same file is there: somebody writes it, or was interrupted."""


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Make an empty draft of `path` for its owner only; it is gone when the block ends.

    Raises `DraftThere`, OSError.
    """
    draft = place_of(path)
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise DraftThere(
            f"{draft} is there already: remove it, unless it is being written at this moment."
        ) from None
    try:
        yield draft
    finally:
        discard(path)


def finish(draft: Path, path: Path) -> None:
    """Give a draft its name, durably. Raises FileExistsError rather than replace anything."""
    sync(draft)
    os.link(draft, path)
    sync(path.parent)


def discard(path: Path) -> None:
    """Remove the draft of `path`, with the journal that SQLite may have left beside it."""
    draft = place_of(path)
    for part in (draft, draft.with_name(f"{draft.name}-journal")):
        part.unlink(missing_ok=True)


def place_of(path: Path) -> Path:
    """Return where the draft of `path` lies."""
    return path.with_name(f".{path.name}.unfinished")
