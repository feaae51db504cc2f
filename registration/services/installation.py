"""Makes an installation's database row and first key, and opens its key ring afterwards."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import func, insert, select, text, update

from ..crypto.key_ring import KeyRing, KeysRefused, make_key, read_keys
from ..database import Transaction
from ..models import Installation

# What PostgreSQL's advisory locks know the key in use by.
_KEY_LOCK = 720231208


def install(tx: Transaction, keys: Path, credentials: Path | None = None) -> None:
    """Make the installation's row, with a key of its own, where there is none yet.

    A key is made only for a database that has never sealed anything; never over another, and
    not where `credentials` bring one.
    """
    if tx.get(Installation, 1):
        return
    if tx.get_bind().dialect.name == "postgresql":
        # Two first upgrades at once would make a key each; SQLite has one writer at a time anyway.
        tx.execute(text("LOCK TABLE installation IN EXCLUSIVE MODE"))
        if tx.get(Installation, 1):
            return
    found = read_keys(keys, credentials)
    if len(found) > 1:
        raise KeysRefused(
            f"There are {len(found)} keys, and the new database could be sealed with any: "
            f"leave one of them in {keys}."
        )
    fingerprint = next(iter(found)) if found else make_key(keys)
    tx.execute(insert(Installation).values(id=1, key_fingerprint=fingerprint))


def key_in_use(tx: Transaction) -> str:
    """Return the fingerprint of the key that seals this database, or raise `KeysRefused`.

    Who writes keeps it in use until their transaction ends: a rotation waits for them.
    """
    wanted = select(Installation.key_fingerprint)
    if tx.is_writing and tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock_shared({_KEY_LOCK})"))
    fingerprint = tx.scalar(wanted)
    if fingerprint is None:
        raise KeysRefused("The database is not set up: run `flask database upgrade`.")
    return fingerprint


def change_key(tx: Transaction) -> None:
    """Wait until nobody writes with the key in use, and let nobody before this transaction ends.

    SQLite has one writer at a time anyway.
    """
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock({_KEY_LOCK})"))


def open_ring(tx: Transaction, keys: Path, credentials: Path | None = None) -> KeyRing:
    """Return the ring that seals this database, or raise `KeysRefused`."""
    return ring_of(key_in_use(tx), keys, credentials)


def ring_of(fingerprint: str, keys: Path, credentials: Path | None = None) -> KeyRing:
    """Return the ring in which the key of `fingerprint` seals, or raise `KeysRefused`."""
    found = read_keys(keys, credentials)
    if fingerprint not in found:
        raise KeysRefused(
            f"The database is sealed with the key {fingerprint}, which is not in {keys}: "
            "put that key back. None was made and nothing was changed."
        )
    return KeyRing(found, fingerprint)


def content_version(tx: Transaction) -> int:
    """Return the number that rises whenever anything public changes."""
    return tx.scalar(select(func.max(Installation.content_version))) or 0


def content_has_changed(tx: Transaction) -> None:
    """Note that something public has changed: what is kept of the old is stale."""
    tx.execute(update(Installation).values(content_version=Installation.content_version + 1))


def last_round_at(tx: Transaction) -> datetime | None:
    """Return when the worker last erased what was due."""
    return tx.scalar(select(Installation.last_round_at))


def has_made_round(tx: Transaction) -> None:
    """Note that the worker has erased what was due."""
    tx.execute(update(Installation).values(last_round_at=tx.now))
