"""What the service knows of its exports on disk, and the lock under which they are written."""

import hashlib
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete

from ... import files
from ...database.paging import Opening
from ...models import Export
from ...refusals import OperatorRefusal

# An export leaves the disk this long after it was asked for.
KEPT_FOR = timedelta(days=7)


class BeingWritten(OperatorRefusal):
    """Another process is writing an export."""


@dataclass(frozen=True, slots=True)
class Source:
    """How to open reading and writing transactions.

    `lock` is a folder of the installation that is locked while an export is written.
    """

    reading: Opening
    writing: Opening
    lock: Path


@contextmanager
def locked(source: Source) -> Iterator[None]:
    """Keep other writers of exports out; raises `BeingWritten`."""
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(source.lock))
        except BlockingIOError:
            raise BeingWritten("Another export is being written: try again.") from None
        yield


def this_host() -> str:
    """Return the name of this machine: of several that share a database, one has the file."""
    return platform.node()


def is_elsewhere(export: Export) -> bool:
    """Whether a file that is not here may be on another host. Unknown hosts count as this one."""
    return export.host not in {"", this_host()}


def is_as_written(export: Export) -> bool:
    """Whether the file is there as the service wrote it. Raises OSError.

    What a crash left is finished first: a record gets the digest of a file before the file gets
    its name.
    """
    path = Path(export.path)
    part = files.part_path(path)
    if _has_digest(part, export.digest):
        with suppress(FileNotFoundError):  # a writer that was not dead has done it
            part.replace(path)
    elif part.is_file():
        part.unlink(missing_ok=True)
    return _has_digest(path, export.digest)


def forget(source: Source, export: Export) -> None:
    """Delete the record of an export."""
    with source.writing() as tx:
        tx.execute(delete(Export).where(Export.path == export.path))


def _has_digest(path: Path, digest: bytes) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == digest
    except FileNotFoundError:
        return False
