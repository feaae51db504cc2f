"""Merges what two organizers type of one discussion at once: nothing of either is lost unseen."""

from dataclasses import dataclass

from ..discussion_file import typed
from ..discussion_file.typed import Typed


@dataclass(frozen=True, slots=True)
class Opened:
    """What a form was opened with: the version of the discussion, and `typed.marks`."""

    version: int
    marks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """Something that somebody else has changed meanwhile: what both say of it now. Mine is kept
    where I had changed it too."""

    about: str
    mine: Typed
    theirs: Typed
    is_kept: bool


def merge(written: Typed, opened: Opened, changed: dict[str, Typed]) -> tuple[Typed, list[Clash]]:
    """Return what was typed with what others have `changed` since it was opened, and each such
    change that says something else."""
    merged, clashes = dict(written), []
    mine, marks = typed.parts(written), typed.marks(written)
    for about, theirs in changed.items():
        if mine[about] == typed.parts(theirs)[about]:
            continue
        is_kept = opened.marks.get(about) != marks[about]
        if not is_kept:
            typed.take(merged, theirs, about)
        clashes.append(Clash(about, written, theirs, is_kept))
    return merged, clashes
