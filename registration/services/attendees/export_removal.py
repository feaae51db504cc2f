"""Deletes exports from the disk: at once when somebody in them is erased, and the old ones.

Writing an export of 100,000 people takes 20 seconds, deleting it a fraction of one: an erasure
deletes it before the request is answered, and the worker then writes it anew (`export_files`).
"""

from pathlib import Path

from sqlalchemy import select, update

from ... import files
from ...models import Export
from .export_records import (
    KEPT_FOR,
    BeingWritten,
    Source,
    forget,
    is_as_written,
    is_elsewhere,
    locked,
)


def remove_stale(source: Source) -> list[str]:
    """Delete every file that may contain somebody who was erased; return a message about each that
    cannot be deleted.

    It waits for no writer of exports: what that has written so far is deleted too, and the writer
    begins again.
    """
    with source.reading() as tx:
        stale = tx.scalars(select(Export).where(Export.is_stale)).all()
    messages = []
    for export in stale:
        try:
            remove(source, export)
        except OSError:
            messages.append(f"{export.path} contains people who were erased: delete it.")
    return messages


def remove(source: Source, export: Export) -> None:
    """Delete one file, unless somebody changed it, so that it is written anew. Raises OSError."""
    if not is_as_written(export):
        return
    is_it = (Export.id == export.id) & (Export.digest == export.digest)
    # The mark comes first: a crash in between leaves a stale file, which is written anew.
    with source.writing() as tx:
        tx.execute(update(Export).where(is_it, Export.is_stale).values(is_removed=True))
    with source.writing() as tx:
        # While this row is locked, no writer gives a newer file the name.
        if tx.scalar(select(Export.id).where(is_it, Export.is_removed).with_for_update()):
            path = Path(export.path)
            path.unlink(missing_ok=True)
            files.sync(path.parent)


def delete_old(source: Source, failed: set[str]) -> list[str]:
    """Delete the files that are older than `KEPT_FOR`, with their records; return a message about
    each that was changed or cannot be deleted.

    Paths in `failed` are left out; those that cannot be deleted now are added to it.
    """
    messages = []
    with source.reading() as tx:
        old = tx.scalars(select(Export).where(Export.written_at <= tx.now - KEPT_FOR)).all()
        # A host that has not deleted its files by then is no more.
        is_lost = {export.path for export in old if export.written_at <= tx.now - 2 * KEPT_FOR}
    for export in old:
        if export.path in failed:
            continue
        try:
            messages += _delete_old(source, export, is_lost=export.path in is_lost)
        except OSError:
            failed.add(export.path)
            messages.append(f"{export.path} is more than {KEPT_FOR.days} days old: delete it.")
        except BeingWritten:
            break
    return messages


def _delete_old(source: Source, export: Export, *, is_lost: bool) -> list[str]:
    path = Path(export.path)
    with locked(source):
        if is_as_written(export):
            path.unlink()
            files.sync(path.parent)
        elif not path.exists() and is_elsewhere(export) and not is_lost:
            return []
        is_changed = path.exists() and not export.is_removed
        forget(source, export)
    if is_changed:
        return [f"{path} was exported {KEPT_FOR.days} days ago and changed since: delete it."]
    return []
