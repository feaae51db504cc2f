"""Writes exports to files, whole or not at all, and writes them again without erased people.

A file is recorded in the database before it is written, so that a crash leaves no unknown file.
Files are written one at a time, under a lock, so that two processes never write the same one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select, update

from ... import files
from ...database import Transaction
from ...models import Discussion, Erasure, Export, Registration
from ...refusals import OperatorRefusal
from .. import catalog
from . import export_removal, exports
from .export_records import (
    BeingWritten,
    Source,
    forget,
    is_as_written,
    is_elsewhere,
    locked,
    this_host,
)

# Existing files that an export may replace: never a database or a key by mistake.
REPLACEABLE_SUFFIXES = {".csv", ".tsv", ".txt"}
# How often a file is begun again because somebody was erased while it was written.
MAX_ATTEMPTS = 5


class NotWritten(OperatorRefusal):
    """The export could not be written to the path that was asked for."""


class PeopleErased(OperatorRefusal):
    """People were erased each time while the file was written."""


def write(
    source: Source,
    slug: str,
    path: Path,
    columns: Sequence[str],
    separator: str,
    now: datetime,
) -> None:
    """Write a discussion's export to `path`, and record it.

    Raises `NoSuchDiscussion`, `NotWritten`, `BeingWritten`, `PeopleErased`.
    """
    path = path.absolute()
    with _os_errors_refused(path):
        _refuse_unsuitable(path)
        # Symbolic links are resolved once, now: one that is changed later has no effect.
        path = path.resolve()
    with _os_errors_refused(path), locked(source):
        export = _new_export(source, slug, path)
        export.columns, export.separator, export.written_at = list(columns), separator, now
        is_new = _record(source, export)
        try:
            _write(source, slug, export)
        except BaseException:
            if is_new and not export.digest:
                forget(source, export)
            raise


def _new_export(source: Source, slug: str, path: Path) -> Export:
    with source.reading() as tx:
        discussion_id = catalog.find_id(tx, slug)
        ids = select(func.max(Registration.id))
        last_id = tx.scalar(ids.where(Registration.discussion_id == discussion_id)) or 0
    return Export(
        discussion_id=discussion_id,
        path=str(path),
        digest=b"",
        last_id=last_id,
        is_stale=True,
        is_removed=False,
        host=this_host(),
    )


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


def refresh(source: Source, failed: set[str]) -> list[str]:
    """Write every stale export again, without erased people; return a message about each.

    A file that somebody moved or changed is left alone, for the operator to delete. One that
    cannot be written stays stale, and gives a message instead of an error. Paths in `failed` are
    left out; those that cannot be written now are added to it.
    """
    messages: list[str] = []
    with source.reading() as tx:
        stale = tx.execute(
            select(Export, Discussion.slug)
            .join(Discussion, Discussion.id == Export.discussion_id)
            .where(Export.is_stale, Export.path.not_in(failed))
        ).all()
    for export, slug in stale:
        try:
            with suppress(BeingWritten), locked(source):
                messages.extend(_refresh(source, slug, export))
        except OSError:
            failed.add(export.path)
            messages.append(_refusal(export))
    return messages


def _refusal(export: Export) -> str:
    try:
        is_gone = export.is_removed and not Path(export.path).exists()
    except OSError:
        is_gone = False
    if is_gone:
        return f"{export.path} contained people who were erased, and cannot be written anew."
    return f"{export.path} contains people who were erased, and cannot be written anew: delete it."


def _refresh(source: Source, slug: str, export: Export) -> Iterator[str]:
    path = Path(export.path)
    if is_as_written(export) or (export.is_removed and not path.exists()):
        # If somebody is erased meanwhile, the worker's next look begins again: letters wait for it.
        count = _write_once(source, slug, export)
        if count:
            yield f"{path} was written anew."
        elif count == 0:
            path.unlink(missing_ok=True)
            forget(source, export)
            yield f"{path} was deleted: nobody is left in it."
        return
    if is_elsewhere(export) and not path.exists():
        return
    forget(source, export)
    if path.exists() and export.digest:
        yield f"{path} was changed since it was exported, and may contain people who were erased."
    elif export.digest:  # without one, a crash came before the file was written
        yield (
            f"{path} is not there any more, or the service cannot see it: "
            "what was exported to it may contain people who were erased."
        )


def _write(source: Source, slug: str, export: Export) -> None:
    """Write the file; begin again if somebody was erased meanwhile. Raises `PeopleErased`."""
    for _ in range(MAX_ATTEMPTS):
        if _write_once(source, slug, export) is not None:
            return
    raise PeopleErased("People are being erased: try again.")


def _write_once(source: Source, slug: str, export: Export) -> int | None:
    """Write the file; return how many registrations it has, or None if somebody was erased."""
    path = Path(export.path)
    with source.reading() as tx:
        before = _count_erased(tx)
    rows = exports.attendees(source.reading, slug, (export.last_id, export.written_at))
    lines = exports.csv_lines(rows, export.columns, export.separator)
    unfinished = files.part_path(path)
    try:
        count, digest = _write_file(unfinished, lines)
        with source.writing() as tx:
            if _count_erased(tx, export) != before:
                return None
            export.digest, export.is_stale, export.is_removed = digest, True, False
            export.host = this_host()
            tx.merge(export)
        files.replace(unfinished, path)
    except FileNotFoundError:
        # An erasure has deleted the unfinished file (`export_removal`).
        if not path.parent.is_dir():
            raise
        return None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    with source.writing() as tx:
        if _count_erased(tx, export) == before:
            it = update(Export).where(Export.path == export.path)
            tx.execute(it.values(is_stale=False, is_removed=False))
            return count
    export_removal.remove(source, export)
    return None


def _count_erased(tx: Transaction, export: Export | None = None) -> tuple[int, int]:
    """Return how many people were ever erased, and how many have lost their answers.

    With `export`, running erasures of its discussion are waited for, and no other begins before the
    transaction ends: the discussion is locked. The numbers stay apart, because an erased person
    without answers raises the first and lowers the second.
    """
    if export:
        tx.get_one(Discussion, export.discussion_id, with_for_update=True)
    erased = select(func.count(Erasure.public_id))
    without_answers = select(func.count(Registration.answers_erased_at))
    return tx.scalars(erased).one(), tx.scalars(without_answers).one()


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
