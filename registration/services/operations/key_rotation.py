"""Changes the key: everything personal is sealed and indexed anew, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from ...crypto.key_ring import KeyRing, make_key, read_keys
from ...database import Transaction, rows
from ...models import (
    Attendee,
    Circular,
    Discussion,
    Installation,
    Organizer,
    Registration,
    address_index,
    organizer_index,
)
from ...text import addresses
from .. import installation

# How many registrations are held in memory at once.
STEP = 1000


@dataclass(frozen=True, slots=True)
class Key:
    """A key as an operator sees it: its fingerprint, when its file was made, what it opens."""

    fingerprint: str
    made_at: datetime | None
    is_in_use: bool
    registrations: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: which key it replaced by which, and how many it sealed anew."""

    replaced: str
    made: str
    registrations: int


def keys(tx: Transaction, folder: Path, credentials: Path | None) -> list[Key]:
    """Return every key of the ring, the one in use first, and how many registrations it opens."""
    current = tx.keys.current
    counted = select(Registration.key_id, func.count()).group_by(Registration.key_id)
    counts = dict(tx.execute(counted).all())
    found = [
        Key(name, _made_at(folder, name), name == current, counts.get(name, 0))
        for name in read_keys(folder, credentials)
    ]
    return sorted(found, key=lambda key: (not key.is_in_use, key.fingerprint))


def _made_at(folder: Path, fingerprint: str) -> datetime | None:
    path = folder / f"{fingerprint}.key"
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None


def rotate(tx: Transaction, folder: Path, credentials: Path | None) -> Rotation:
    """Make a key in `folder`, and seal and index everything personal with it.

    Personal links go on working: a token is found by a hash without a key. A link to confirm a
    new address ends. Whoever writes waits meanwhile, and finds the new key afterwards
    (`installing.key_in_use`); a crash at any moment leaves everything under the old key. Raises
    `SealBroken` if a registration does not open.
    """
    installation.change_key(tx)
    old = installation.open_ring(tx, folder, credentials)
    made = make_key(folder)
    try:
        total = _seal_anew(tx, old, installation.ring_of(made, folder, credentials))
    except BaseException:
        (folder / f"{made}.key").unlink()  # it has sealed nothing that is kept
        raise
    return Rotation(old.current, made, total)


def _seal_anew(tx: Transaction, old: KeyRing, new: KeyRing) -> int:
    last = total = 0
    while found := _step(tx, last):
        tx.connection().execute(_ANEW, [_anew(row, old, new) for row in found])
        last = found[-1].id
        total += len(found)
    for organizer in tx.scalars(select(Organizer)):
        identity = organizer.identity(old)
        organizer.seal(identity, new)
        organizer.address_index = organizer_index(new, addresses.parse(identity.address))
    for circular in tx.scalars(select(Circular)):
        circular.seal(circular.wording(old), new)
    tx.execute(update(Installation).values(key_fingerprint=new.current))
    return total


_ANEW = (
    update(rows(Registration))
    .where(rows(Registration).c.id == bindparam("number"))
    .values(sealed=bindparam("anew"), key_id=bindparam("key"), address_index=bindparam("index"))
)


def _step(tx: Transaction, last: int) -> Sequence[Any]:
    wanted = (
        select(Registration.id, Registration.public_id, Registration.sealed, Discussion.uid)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(Registration.id > last)
        .order_by(Registration.id)
        .limit(STEP)
    )
    return tx.execute(wanted).all()


def _anew(row: Row[Any], old: KeyRing, new: KeyRing) -> dict[str, Any]:
    attendee = Attendee.unsealed(row.sealed, row.public_id, old)
    address = addresses.parse(attendee.address)
    return {
        "number": row.id,
        "anew": attendee.sealed(new),
        "key": new.current,
        "index": address_index(new, row.uid, address),
    }
