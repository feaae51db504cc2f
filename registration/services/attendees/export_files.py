"""Writes exports to files, whole or not at all, and writes them again without erased people.

A file is recorded in the database before it is written, so that a crash leaves no unknown file.
Files are written one at a time, under a lock, so that two processes never write the same one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select, update

from ... import files
from ...database import Transaction
from ...database.paging import Opening
from ...models import Discussion, Erasure, Export, Registration
from ...refusals import OperatorRefusal
from .. import catalog
from . import exports

# Existing files that an export may replace: never a database or a key by mistake.
REPLACEABLE_SUFFIXES = {".csv", ".tsv", ".txt"}


class NotWritten(OperatorRefusal):
    """The export could not be written to the path that was asked for."""


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


def write(
    source: Source,
    slug: str,
    path: Path,
    columns: Sequence[str],
    separator: str,
    now: datetime,
) -> None:
    """Write a discussion's export to `path`, and record it.

    Raises `NoSuchDiscussion`, `NotWritten`, `BeingWritten`.
    """
    path = path.absolute()
    with _os_errors_refused(path):
        _refuse_unsuitable(path)
        # Symbolic links are resolved once, now: one that is changed later has no effect.
        path = path.resolve()
    with _os_errors_refused(path), _locked(source):
        with source.reading() as tx:
            discussion_id = catalog.find_id(tx, slug)
            ids = select(func.max(Registration.id))
            last_id = tx.scalar(ids.where(Registration.discussion_id == discussion_id)) or 0
        export = Export(
            discussion_id=discussion_id,
            path=str(path),
            digest=b"",
            columns=list(columns),
            separator=separator,
            last_id=last_id,
            is_stale=True,
            written_at=now,
        )
        is_new = _record(source, export)
        try:
            _write(source, slug, export)
        except BaseException:
            if is_new and not export.digest:
                _forget(source, export)
            raise


def _record(source: Source, export: Export) -> bool:
    """Record a file that is about to be written; return whether it was not recorded before.

    An earlier record stays as it is, but stale, until the file is replaced.
    """
    with source.writing() as tx:
        older = tx.scalar(select(Export).where(Export.path == export.path))
        if older:
            older.is_stale = True
            export.id = older.id
            return False
        tx.add(export)
        return True


def _refuse_unsuitable(path: Path) -> None:
    if not path.name or path.is_dir():
        raise NotWritten(f"{path} is a folder: name a file.")
    if path.exists() and path.suffix.lower() not in REPLACEABLE_SUFFIXES:
        raise NotWritten(f"{path} exists already, and is no .csv: choose another name.")


def refresh(source: Source) -> list[str]:
    """Write every stale export again, without erased people; return a message about each.

    A file that somebody moved or changed is left alone, for the operator to delete. One that
    cannot be written stays stale, and gives a message instead of an error.
    """
    messages: list[str] = []
    with source.reading() as tx:
        stale = tx.execute(
            select(Export, Discussion.slug)
            .join(Discussion, Discussion.id == Export.discussion_id)
            .where(Export.is_stale)
        ).all()
    for export, slug in stale:
        with suppress(BeingWritten):
            messages.extend(_refresh_locked(source, slug, export))
    return messages


def has_stale(tx: Transaction) -> bool:
    """Whether an exported file may still hold erased people."""
    return tx.scalar(select(Export.id).where(Export.is_stale).limit(1)) is not None


def _refresh_locked(source: Source, slug: str, export: Export) -> Iterator[str]:
    path = Path(export.path)
    try:
        with _locked(source):
            yield from _refresh(source, slug, export)
    except OSError:
        yield f"{path} holds people who were erased, and cannot be written anew: delete it."


def _refresh(source: Source, slug: str, export: Export) -> Iterator[str]:
    path = Path(export.path)
    unfinished = files.part_path(path)
    if unfinished.is_file():  # a crash left it
        if _digest(unfinished) == export.digest:
            unfinished.replace(path)
        unfinished.unlink(missing_ok=True)
    if path.is_file() and _digest(path) == export.digest:
        if _write(source, slug, export):
            yield f"{path} was written anew."
        else:
            path.unlink()
            _forget(source, export)
            yield f"{path} was deleted: nobody is left in it."
        return
    _forget(source, export)
    if path.exists() and export.digest:
        yield f"{path} was changed since it was exported, and may hold people who were erased."
    elif export.digest:  # without one, a crash came before the file was written
        yield (
            f"{path} is not there any more, or the service cannot see it: "
            "what was exported to it may hold people who were erased."
        )


def _forget(source: Source, export: Export) -> None:
    with source.writing() as tx:
        tx.execute(delete(Export).where(Export.path == export.path))


def _write(source: Source, slug: str, export: Export) -> int:
    """Write the file; return how many registrations it has."""
    path = Path(export.path)
    with source.reading() as tx:
        before = _erasures(tx)
    rows = exports.attendees(source.reading, slug, (export.last_id, export.written_at))
    lines = exports.csv_lines(rows, export.columns, export.separator)
    unfinished = files.part_path(path)
    try:
        count, export.digest = _write_file(unfinished, lines)
        with source.writing() as tx:
            tx.merge(export)
        files.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    with source.writing() as tx:
        # The file may hold people who were erased while it was written. The lock on the discussion
        # waits for running erasures and lets no other begin.
        tx.get_one(Discussion, export.discussion_id, with_for_update=True)
        if _erasures(tx) == before:
            fresh = update(Export).where(Export.path == export.path).values(is_stale=False)
            tx.execute(fresh)
    return count


def _erasures(tx: Transaction) -> tuple[int, int]:
    """Return how many registrations have been erased, and how many have lost their answers."""
    stripped = select(func.count(Registration.answers_erased_at))
    return tx.scalars(select(func.count(Erasure.id))).one(), tx.scalars(stripped).one()


@contextmanager
def _locked(source: Source) -> Iterator[None]:
    """Keep other writers of exports out; raises `BeingWritten`."""
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(source.lock))
        except BlockingIOError:
            raise BeingWritten("Another export is being written: try again.") from None
        yield


@contextmanager
def _os_errors_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}.") from None


def _write_file(path: Path, lines: Iterable[str]) -> tuple[int, bytes]:
    """Write a file with mode 0600, durably; return its number of registrations and its SHA-256."""
    path.unlink(missing_ok=True)
    count, digest = -1, hashlib.sha256()  # the header is no registration
    with files.written(path, "x") as file:
        for line in lines:
            file.write(line.encode())
            digest.update(line.encode())
            count += 1
    return count, digest.digest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
