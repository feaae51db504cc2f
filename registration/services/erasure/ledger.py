"""Keeps the list of erased ids, beside the keys and apart from backups.

It has random ids, one a line, by which a restored backup is erased again before it is used. A line
is written after its erasure is durable; the next round adds from the database any line that a crash
in between has left out.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from ... import files
from ...database import Transaction
from ...models import Erasure

FILE_NAME = "erasures"
_LINE = re.compile(r"[0-9a-f]{32}")


def add(folder: Path, public_ids: Iterable[str]) -> None:
    """Add ids to the list in `folder`, durably; make the list if there is none. Raises OSError."""
    lines = "".join(f"{public_id}\n" for public_id in public_ids)
    if not lines and (folder / FILE_NAME).exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.written(folder / FILE_NAME, "a") as file:
        is_new = os.fstat(file.fileno()).st_size == 0
        # Whatever a power cut left of the last line ends here.
        file.write((lines if is_new else f"\n{lines}").encode("ascii"))
    if is_new:
        files.sync(folder)


def is_writable(folder: Path) -> bool:
    """Whether the list in `folder` can be written now."""
    try:
        os.close(os.open(folder / FILE_NAME, os.O_WRONLY | os.O_APPEND))
    except FileNotFoundError:
        return os.access(folder if folder.is_dir() else folder.parent, os.W_OK)
    except OSError:
        return False
    return True


def read(folder: Path) -> set[str]:
    """Return the ids in the list, without lines that a power cut left unfinished."""
    try:
        lines = (folder / FILE_NAME).read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return set()
    return set(filter(_LINE.fullmatch, lines))


def catch_up(tx: Transaction, folder: Path) -> int:
    """Add every erasure of the database that the list lacks; return how many."""
    missing = set(tx.scalars(select(Erasure.public_id))) - read(folder)
    add(folder, sorted(missing))
    return len(missing)
