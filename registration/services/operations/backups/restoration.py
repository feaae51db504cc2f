"""Restores a backup where there is no database: what was erased since is erased again, what was
owed is held, and only then does the database appear, whole.

All this happens in a part, so that a restore that is killed at any moment leaves no database, or
the restored one.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, delete, inspect, select, update
from sqlalchemy.exc import DBAPIError

from ....config import Settings
from ....crypto.key_ring import KeyRing
from ....database import Transaction, phrased
from ....models import (
    Circular,
    Discussion,
    Export,
    Installation,
    Letter,
    LetterState,
    Organizer,
    Registration,
    SignIn,
    Throttle,
)
from ....refusals import Refusal
from ... import installation
from ...erasure import clock_guard, erasures, ledger
from ...erasure.erasures import Receipt
from .. import key_rotation, migration, process_lock
from . import database_copy, partial_files, placement

MAGIC = b"SQLite format 3\0"
# More than anybody has changed since the backup: no page that is kept passes for the restored one.
_LATER = 1_000_000


class NoBackup(Refusal):
    """The file is not a backup that could be restored; nothing was changed."""


class NotRestored(Refusal):
    """The restored database could not be written, and nothing of it is left."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: what is in the database, what is not any more, and what waits.

    `held` are the ids of the letters that are not sent until they are retried. `is_list_there`
    is false if nothing told what had been erased, `has_newer_key` true if `keys` has one. What is
    due is not erased until `waits_until`: so much later than the backup, the clock may be wrong.
    """

    backed_up_at: datetime | None
    discussions: int
    registrations: int
    erased_again: int
    erased_as_due: int
    held: list[int]
    waits_until: datetime | None
    is_list_there: bool
    has_newer_key: bool


def restore(engine: Engine, file: Path, *, settings: Settings, now: datetime) -> Restored:
    """Make the database of `engine`, of which there is none yet, from the backup in `file`.

    Raises `ServiceRunning`, `DatabaseThere`, `NoBackup`, `NotRestored`, `KeysRefused`,
    `SchemaNewer`, `UpgradeFailed`.
    """
    with process_lock.stopped(settings.instance), phrased():
        placement.refuse_taken(engine)
        place = placement.part_for(engine, settings.instance)
        try:
            # It is of a restore that was killed: no other runs now.
            partial_files.discard(place)
            with partial_files.part_of(place) as part:
                _copy_file(file, part)
                done = _make_ready(file, part, settings, now)
                placement.put(engine, part)
        except OSError as error:
            raise NotRestored(f"{place} cannot be written: {error.strerror}.") from None
    return done


def _copy_file(file: Path, part: Path) -> None:
    try:
        _refuse_journal(file)
        with file.open("rb") as source, part.open("wb") as target:
            if source.read(len(MAGIC)) != MAGIC:
                raise NoBackup(f"{file} is no backup: `flask database backup` did not write it.")
            source.seek(0)
            shutil.copyfileobj(source, target, 1024 * 1024)
    except OSError as error:
        raise NotRestored(f"{file} cannot be copied: {error.strerror}.") from None


def _refuse_journal(file: Path) -> None:
    for end in ("-wal", "-journal"):
        journal = Path(f"{file}{end}")
        if journal.exists() and journal.stat().st_size:
            raise NoBackup(
                f"{file} is no backup but a database in use, with {journal.name} beside it: "
                "take a file that `flask database backup` wrote."
            )


def _make_ready(file: Path, part: Path, settings: Settings, now: datetime) -> Restored:
    """Bring the part to this version, erase and hold what must be, and return what was done."""
    with database_copy.opened(part) as copy:
        _refuse_unsound(file, copy)
        migration.upgrade(copy)
        with _writing(copy, settings, now) as tx:
            known = key_rotation.keys(tx, settings.keys, settings.credentials)
        again = _erase_again(copy, settings, now)
        with _writing(copy, settings, now) as tx:
            waits_until = clock_guard.waits_until(tx)
        due = 0 if waits_until else _erase_due(copy, settings, now)
        with _writing(copy, settings, now) as tx:
            held = _hold(tx)
            _start_anew(tx)
            return Restored(
                tx.scalars(select(Installation.last_backup_at)).one(),
                tx.query(Discussion).count(),
                tx.query(Registration).count(),
                again,
                due,
                held,
                waits_until,
                (settings.keys / ledger.NAME).exists(),
                _has_newer(known),
            )


@contextmanager
def _writing(copy: Engine, settings: Settings, now: datetime) -> Iterator[Transaction]:
    options = copy.execution_options(writes=True)

    def open_keys(tx: Transaction) -> KeyRing:
        return installation.open_ring(tx, settings.keys, settings.credentials)

    with Transaction(options, now=now, settings=settings, open_keys=open_keys) as tx, tx.begin():
        yield tx


def _refuse_unsound(file: Path, copy: Engine) -> None:
    try:
        with copy.connect() as connection:
            is_sound = database_copy.is_sound(connection)
            is_ours = inspect(connection).has_table("alembic_version")
    except DBAPIError:
        is_sound = False
    if not is_sound:
        raise NoBackup(f"{file} is damaged: take another backup.")
    if not is_ours:
        raise NoBackup(f"{file} is no backup: it is the database of something else.")


def _erase_again(copy: Engine, settings: Settings, now: datetime) -> int:
    with copy.connect() as connection:
        known = set(connection.scalars(select(Registration.public_id)))
        written = set(connection.scalars(select(Circular.public_id)))
    remembered = ledger.remembered(settings.keys)
    back, receipt = sorted(known & remembered), Receipt()
    for start in range(0, len(back), erasures.BATCH):
        some = back[start : start + erasures.BATCH]
        with _writing(copy, settings, now) as tx:
            receipt += erasures.erase_again(tx, some, letters=settings.mail.folder)
    with _writing(copy, settings, now) as tx:
        gone = sorted(written & remembered)
        erasures.erase_circulars_again(tx, gone, letters=settings.mail.folder)
    return len(receipt.public_ids)


def _erase_due(copy: Engine, settings: Settings, now: datetime) -> int:
    total = 0
    while True:
        with _writing(copy, settings, now) as tx:
            erased = erasures.erase_due(tx, letters=settings.mail.folder)
        if not erased.public_ids:
            return total
        total += len(erased.public_ids)


def _hold(tx: Transaction) -> list[int]:
    """Hold every letter that is owed: it may have been sent since the backup."""
    held = tx.scalars(
        update(Letter)
        .where(Letter.state == LetterState.OWED)
        .values(state=LetterState.HELD, lease_until=None)
        .returning(Letter.id)
    )
    return sorted(held)


def _start_anew(tx: Transaction) -> None:
    tx.execute(delete(Throttle))
    # Whoever has signed out since is not to be signed in again.
    tx.execute(delete(SignIn))
    # An invitation may have been used since: `flask organizer reset` makes another.
    tx.execute(update(Organizer).values(invitation_hash=None, invited_until=None))
    # They lie where the backup was made, and are that installation's.
    tx.execute(delete(Export))
    tx.execute(
        update(Installation).values(
            last_round_at=tx.now,
            content_version=Installation.content_version + _LATER,
        )
    )


def _has_newer(keys: list[key_rotation.Key]) -> bool:
    used, *others = keys
    return any(key.made_at and used.made_at and key.made_at > used.made_at for key in others)
