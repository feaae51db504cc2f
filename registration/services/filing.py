"""Exports as files: written whole or not at all, and kept free of whoever was erased since."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from ..models import Discussion, Erasure, Export, Registration
from ..refusals import Refusal
from . import exporting, publishing
from .exporting import RingOf

Opening = Callable[[], AbstractContextManager[Session]]


class NotWritten(Refusal):
    """The export could not be written where it was asked for."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """How to read and write in short steps, and the keys for what is read."""

    reading: Opening
    writing: Opening
    ring: RingOf


def write(
    sessions: Sessions,
    slug: str,
    path: Path,
    columns: Sequence[str],
    separator: str,
    now: datetime,
) -> None:
    """Write a discussion's export to `path`, and note where it lies.

    Raises `NoSuchDiscussion`, `NotWritten`.
    """
    if not path.name:
        raise NotWritten(f"{path} is a folder: name a file.")
    with sessions.reading() as session:
        discussion_id = publishing.identify(session, slug)
        last = select(func.max(Registration.id)).where(Registration.discussion_id == discussion_id)
        last_id = session.scalar(last) or 0
    export = Export(
        discussion_id=discussion_id,
        path=str(path.absolute()),
        columns=list(columns),
        separator=separator,
        last_id=last_id,
        written_at=now,
    )
    _write(sessions, slug, export)


def refresh(sessions: Sessions) -> list[str]:
    """Write every stale export anew, without whom it may hold no more; return what to tell.

    A file that was moved away, or changed by somebody, is theirs to erase.
    """
    told = []
    with sessions.reading() as session:
        stale = session.execute(
            select(Export, Discussion.slug)
            .join(Discussion, Discussion.id == Export.discussion_id)
            .where(Export.is_stale)
        ).all()
    for export, slug in stale:
        try:
            told += _refresh(sessions, slug, export)
        except (OSError, NotWritten):
            told.append(f"{export.path} holds people who were erased, and cannot be written anew.")
    return told


def _refresh(sessions: Sessions, slug: str, export: Export) -> list[str]:
    path = Path(export.path)
    if path.exists() and _digest(path) == export.digest:
        if _write(sessions, slug, export):
            return [f"{path} was written anew."]
        path.unlink()
    with sessions.writing() as session:
        session.execute(delete(Export).where(Export.path == export.path))
    if path.exists():
        return [f"{path} was changed since it was exported, and may hold people who were erased."]
    return []


def _write(sessions: Sessions, slug: str, export: Export) -> int:
    """Write the file, and return how many registrations are in it.

    It is noted, as stale, before it has its name: there is never a file that nothing is known of.
    """
    path = Path(export.path)
    with sessions.reading() as session:
        before = session.scalar(select(func.max(Erasure.id))) or 0
    rows = exporting.attendees(sessions.reading, slug, sessions.ring, until=export.last_id)
    lines = exporting.lines(rows, export.columns, export.separator)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        count, digest = _write_file(unfinished, lines)
        with sessions.writing() as session:
            session.execute(delete(Export).where(Export.path == export.path))
            session.add(_noted(export, digest))
        unfinished.replace(path)
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    with sessions.writing() as session:
        # Whoever was erased while it was written may be in it still.
        session.execute(
            update(Export)
            .where(Export.path == export.path, ~exists().where(Erasure.id > before))
            .values(is_stale=False)
        )
    return count


def _noted(export: Export, digest: bytes) -> Export:
    return Export(
        discussion_id=export.discussion_id,
        path=export.path,
        digest=digest,
        columns=export.columns,
        separator=export.separator,
        last_id=export.last_id,
        written_at=export.written_at,
        is_stale=True,
    )


def _write_file(path: Path, lines: Iterable[str]) -> tuple[int, bytes]:
    """Write a file that only its owner can read; return how many registrations, and its digest."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    count, digest = -1, hashlib.sha256()  # the header is no registration
    with os.fdopen(handle, "wb") as file:
        for line in lines:
            file.write(line.encode())
            digest.update(line.encode())
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count, digest.digest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
