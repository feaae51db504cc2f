"""Restores a backup where there is no database.

Data that was erased since the backup is erased again and owed letters are held before the database
appears. All of this happens in a part, so that a restore that is killed at any moment leaves either
no database or the restored one.
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
    BucketLevel,
    Discussion,
    Export,
    Installation,
    Letter,
    LetterState,
    Mailing,
    Organizer,
    Registration,
    SignIn,
)
from ....refusals import OperatorRefusal
from ... import installation
from ...erasure import answers, clock_guard, erasures, ledger
from ...erasure.erasures import Receipt
from .. import key_rotation, migration, process_lock
from . import database_copy, partial_files, placement

SQLITE_MAGIC = b"SQLite format 3\0"
# More than the changes since the backup, so that no cached page passes for a current one.
_CONTENT_VERSION_STEP = 1_000_000


class NoBackup(OperatorRefusal):
    """The file is no backup that can be restored; nothing was changed."""


class NotRestored(OperatorRefusal):
    """The restored database could not be written, and no part of it is left."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: rows in the database, registrations erased, letters held.

    `held` are the ids of letters that are sent only once they are retried. `is_list_there` is false
    if there was no list of erased ids, `has_newer_key` true if `keys` has a newer key than the
    backup's. Registrations that are due are erased only after `waits_until`, unless it is None: so
    long after the backup, the clock may be wrong.
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
    """Make the database of `engine`, which must not exist, from the backup in `file`.

    Raises `ServiceRunning`, `DatabaseThere`, `NoBackup`, `NotRestored`, `KeysRefused`,
    `SchemaNewer`, `UpgradeFailed`.
    """
    with process_lock.lock_for_restore(settings.instance), phrased():
        placement.refuse_taken(engine)
        place = placement.file_for(engine, settings.instance)
        try:
            # A killed restore left it: the lock excludes another one.
            partial_files.discard(place)
            with partial_files.part_of(place) as part:
                _copy_file(file, part)
                done = _make_ready(file, part, settings, now)
                placement.install(engine, part)
        except OSError as error:
            raise NotRestored(f"{place} cannot be written: {error.strerror}.") from None
    return done


def _copy_file(file: Path, part: Path) -> None:
    try:
        _refuse_journal(file)
        with file.open("rb") as source, part.open("wb") as target:
            if source.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
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
    """Upgrade the part, erase registrations and hold letters; return what was done."""
    with database_copy.open_file(part) as copy:
        _refuse_unsound(file, copy)
        migration.upgrade(
            copy,
            ring_of=lambda name: installation.ring_with(name, settings.keys, settings.credentials),
        )
        with _writing(copy, settings, now) as tx:
            known = key_rotation.list_keys(tx, settings.keys, settings.credentials)
        again = _erase_again(copy, settings, now)
        with _writing(copy, settings, now) as tx:
            waits_until = clock_guard.waits_until(tx)
        due = 0 if waits_until else _erase_due(copy, settings, now)
        if settings.at_risk and not waits_until:
            _erase_answers(copy, settings, now)
        with _writing(copy, settings, now) as tx:
            held = _hold_letters(tx)
            _reset(tx)
            return Restored(
                tx.scalars(select(Installation.last_backup_at)).one(),
                tx.query(Discussion).count(),
                tx.query(Registration).count(),
                again,
                due,
                held,
                waits_until,
                (settings.keys / ledger.FILE_NAME).exists(),
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
            is_sound = database_copy.is_intact(connection)
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
        written = set(connection.scalars(select(Mailing.public_id)))
    remembered = ledger.read(settings.keys)
    back, receipt = sorted(known & remembered), Receipt()
    for start in range(0, len(back), erasures.REGISTRATIONS_A_BATCH):
        some = back[start : start + erasures.REGISTRATIONS_A_BATCH]
        with _writing(copy, settings, now) as tx:
            receipt += erasures.erase_again(tx, some, letters=settings.mail.folder)
    with _writing(copy, settings, now) as tx:
        gone = sorted(written & remembered)
        erasures.erase_mailings_again(tx, gone, letters=settings.mail.folder)
    return len(receipt.public_ids)


def _erase_due(copy: Engine, settings: Settings, now: datetime) -> int:
    total = 0
    while True:
        with _writing(copy, settings, now) as tx:
            erased = erasures.erase_due(tx, letters=settings.mail.folder)
            erasures.erase_due_forms(tx)
        if not erased.public_ids:
            return total
        total += len(erased.public_ids)


def _erase_answers(copy: Engine, settings: Settings, now: datetime) -> None:
    count = 1
    while count:
        with _writing(copy, settings, now) as tx:
            count = answers.erase_due(tx)


def _hold_letters(tx: Transaction) -> list[int]:
    """Hold every letter that is owed: it may have been sent since the backup."""
    held = tx.scalars(
        update(Letter)
        .where(Letter.state == LetterState.OWED)
        .values(state=LetterState.HELD, lease_until=None)
        .returning(Letter.id)
    )
    return sorted(held)


def _reset(tx: Transaction) -> None:
    tx.execute(delete(BucketLevel))
    # A session that was ended since the backup must not come back.
    tx.execute(delete(SignIn))
    # An invitation may have been used since: `flask organizer reset` makes another.
    tx.execute(update(Organizer).values(invitation_hash=None, invited_until=None))
    # The exported files belong to the installation of which the backup was made.
    tx.execute(delete(Export))
    tx.execute(
        update(Installation).values(
            last_round_at=tx.now,
            content_version=Installation.content_version + _CONTENT_VERSION_STEP,
        )
    )


def _has_newer(keys: list[key_rotation.Key]) -> bool:
    used, *others = keys
    return any(key.made_at and used.made_at and key.made_at > used.made_at for key in others)
