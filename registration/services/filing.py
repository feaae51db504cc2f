"""Exports as files: written whole or not at all, and kept free of whoever was erased since.

A file is noted in the database before it is begun, and under a lock on its folder: so a crash
leaves none that nothing is known of, and two processes never write the same one.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ..models import Discussion, Erasure, Export, Registration
from ..refusals import Refusal
from ..sealing import sync
from . import exporting, publishing
from .exporting import RingOf

# What an export may replace: never a database or a key by a slip.
REPLACED = {".csv", ".tsv", ".txt"}

Opening = Callable[[], AbstractContextManager[Session]]


class NotWritten(Refusal):
    """The export could not be written where it was asked for."""


class BeingWritten(Refusal):
    """Another process writes exports into the same folder at this moment."""


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

    Raises `NoSuchDiscussion`, `NotWritten`, `BeingWritten`.
    """
    with _phrased(path):
        _refuse_place(path)
        # A link is followed once, now: whoever sets another one later gets nothing of it.
        path = path.resolve()
    with _phrased(path), _alone(path):
        with sessions.reading() as session:
            discussion_id = publishing.identify(session, slug)
            ids = select(func.max(Registration.id))
            last_id = session.scalar(ids.where(Registration.discussion_id == discussion_id)) or 0
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
        with sessions.writing() as session:
            session.execute(delete(Export).where(Export.path == export.path))
            session.add(export)
        try:
            _write(sessions, slug, export)
        except OSError:
            _forget(sessions, export)
            raise


def _refuse_place(path: Path) -> None:
    if not path.name or path.is_dir():
        raise NotWritten(f"{path} is a folder: name a file.")
    if path.exists() and path.suffix.lower() not in REPLACED:
        raise NotWritten(f"{path} exists already, and is no .csv: choose another name.")


def refresh(sessions: Sessions) -> list[str]:
    """Write every stale export anew, without whom it may hold no more; return what to tell.

    A file that was moved away, or changed by somebody, is theirs to erase. Raises nothing of a
    file that cannot be written: it stays stale.
    """
    told = []
    with sessions.reading() as session:
        stale = session.execute(
            select(Export, Discussion.slug)
            .join(Discussion, Discussion.id == Export.discussion_id)
            .where(Export.is_stale)
        ).all()
    for export, slug in stale:
        with suppress(BeingWritten):
            told.append(_refreshed(sessions, slug, export))
    return told


def has_stale(session: Session) -> bool:
    """Whether an export may hold somebody who was erased."""
    return session.scalar(select(Export.id).where(Export.is_stale).limit(1)) is not None


def _refreshed(sessions: Sessions, slug: str, export: Export) -> str:
    path = Path(export.path)
    try:
        with _alone(path):
            return _refresh(sessions, slug, export)
    except FileNotFoundError:  # its folder
        _forget(sessions, export)
        return _not_there(path)
    except OSError:
        return f"{path} holds people who were erased, and cannot be written anew: delete it."


def _refresh(sessions: Sessions, slug: str, export: Export) -> str:
    path = Path(export.path)
    unfinished = _unfinished(path)
    if unfinished.is_file():  # a crash left it
        if _digest(unfinished) == export.digest:
            unfinished.replace(path)
        unfinished.unlink(missing_ok=True)
    if path.is_file() and _digest(path) == export.digest:
        if _write(sessions, slug, export):
            return f"{path} was written anew."
        path.unlink()
        _forget(sessions, export)
        return f"{path} was deleted: nobody is left in it."
    _forget(sessions, export)
    if path.exists() and export.digest:
        return f"{path} was changed since it was exported, and may hold people who were erased."
    return _not_there(path)


def _not_there(path: Path) -> str:
    return (
        f"{path} is not there any more, or the service cannot see it: "
        "what was exported to it may hold people who were erased."
    )


def _forget(sessions: Sessions, export: Export) -> None:
    with sessions.writing() as session:
        session.execute(delete(Export).where(Export.path == export.path))


def _write(sessions: Sessions, slug: str, export: Export) -> int:
    """Write the file, and return how many registrations are in it."""
    path = Path(export.path)
    erased = select(func.count()).select_from(Erasure)
    with sessions.reading() as session:
        before = session.scalar(erased)
    rows = exporting.attendees(
        sessions.reading, slug, sessions.ring, (export.last_id, export.written_at)
    )
    lines = exporting.lines(rows, export.columns, export.separator)
    unfinished = _unfinished(path)
    try:
        count, digest = _write_file(unfinished, lines)
        _note(sessions, export, digest=digest)
        unfinished.replace(path)
        sync(path.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    with sessions.writing() as session:
        # Whoever was erased while it was written may be in it still.
        is_stale = session.scalar(erased) != before
    _note(sessions, export, is_stale=is_stale)
    return count


def _note(sessions: Sessions, export: Export, **values: object) -> None:
    with sessions.writing() as session:
        session.execute(update(Export).where(Export.path == export.path).values(**values))


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock the folder of `path` against other writers of exports; raises `BeingWritten`."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BeingWritten(
                f"Another export is being written into {path.parent}: try again."
            ) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _phrased(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}.") from None


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
