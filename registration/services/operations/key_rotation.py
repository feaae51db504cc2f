"""Rotates the key: seals and indexes all personal data with a new one, in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from ...crypto import key_lock
from ...crypto.key_ring import KeyRing, make_key, read_keys
from ...database import Transaction, table_of
from ...database.paging import pages
from ...models import (
    Attendee,
    Discussion,
    Installation,
    Mailing,
    Organizer,
    PendingForm,
    Registration,
    address_index,
    organizer_index,
)
from ...text import addresses
from .. import installation

# How many registrations are held in memory at once.
ROWS_A_STEP = 1000


@dataclass(frozen=True, slots=True)
class Key:
    """A key as an operator sees it; `registrations` is how many it opens."""

    fingerprint: str
    made_at: datetime | None
    is_in_use: bool
    registrations: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """The fingerprints of the replaced and the new key, and how many registrations were sealed."""

    replaced: str
    made: str
    registrations: int


def list_keys(tx: Transaction, folder: Path, credentials: Path | None) -> list[Key]:
    """Return every key of the ring, the one in use first, and how many registrations it opens."""
    current = tx.keys.current
    counted = select(Registration.key_id, func.count()).group_by(Registration.key_id)
    counts = dict(tx.execute(counted).all())
    listed = [
        Key(name, _made_at(folder, name), name == current, counts.get(name, 0))
        for name in read_keys(folder, credentials)
    ]
    return sorted(listed, key=lambda key: (not key.is_in_use, key.fingerprint))


def _made_at(folder: Path, fingerprint: str) -> datetime | None:
    for path in _paths(folder, fingerprint):
        if path.exists():
            return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return None


def _paths(folder: Path, fingerprint: str) -> list[Path]:
    return [folder / f"{fingerprint}{suffix}" for suffix in (".key", key_lock.SUFFIX)]


def rotate(
    tx: Transaction, folder: Path, credentials: Path | None, made: str | None = None
) -> Rotation:
    """Make a key in `folder`, and seal and index all personal data with it.

    `made` is the fingerprint of a key that was just made for this (`key_lock.make`).

    Personal links keep working, as tokens are found by a hash without a key; links to confirm a new
    address do not. Writers wait meanwhile, and use the new key afterwards
    (`installation.key_in_use`). A crash at any moment leaves everything under the old key. Raises
    `SealBroken` if a registration does not open.
    """
    installation.lock_key_for_rotation(tx)
    old = installation.open_ring(tx, folder, credentials)
    made = made or make_key(folder)
    try:
        total = _reseal_all(tx, old, installation.ring_with(made, folder, credentials))
    except BaseException:
        for path in _paths(folder, made):
            path.unlink(missing_ok=True)  # nothing sealed with it is committed
        raise
    return Rotation(old.current, made, total)


def _reseal_all(tx: Transaction, old: KeyRing, new: KeyRing) -> int:
    total = 0
    wanted = select(
        Registration.id, Registration.public_id, Registration.sealed, Discussion.uid
    ).join(Discussion, Discussion.id == Registration.discussion_id)
    for found in pages(tx, wanted, Registration.id, ROWS_A_STEP):
        tx.connection().execute(_RESEAL, [_resealed(row, old, new) for row in found])
        total += len(found)
    for form in tx.scalars(select(PendingForm)):
        form.seal(form.text(old), new)
    for organizer in tx.scalars(select(Organizer)):
        identity = organizer.identity(old)
        organizer.seal(identity, new)
        organizer.address_index = organizer_index(new, addresses.parse(identity.address))
    for mailing in tx.scalars(select(Mailing)):
        mailing.seal(mailing.wording(old), new)
    tx.execute(update(Installation).values(key_fingerprint=new.current))
    return total


_RESEAL = (
    update(table_of(Registration))
    .where(table_of(Registration).c.id == bindparam("number"))
    .values(sealed=bindparam("anew"), key_id=bindparam("key"), address_index=bindparam("index"))
)


def _resealed(row: Row[Any], old: KeyRing, new: KeyRing) -> dict[str, Any]:
    attendee = Attendee.unsealed(row.sealed, row.public_id, old)
    address = addresses.parse(attendee.address)
    return {
        "number": row.id,
        "anew": attendee.sealed(new),
        "key": new.current,
        "index": address_index(new, row.uid, address),
    }
