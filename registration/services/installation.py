"""Keeps the installation's row: the key in use, the content version, the last round."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import func, insert, select, text, update

from ..crypto import key_lock
from ..crypto.key_ring import KeyRing, KeysLocked, KeysRefused, make_key, read_keys
from ..database import Transaction
from ..models import Installation

# The id of PostgreSQL's advisory lock on the key in use.
_KEY_LOCK_ID = 720231208


def install(tx: Transaction, keys: Path, credentials: Path | None = None) -> None:
    """Insert the installation's row, with a new key, unless it is there.

    A key is made only for a database that has sealed nothing yet. It never replaces another key,
    and is not made where `credentials` has one, or where attendees are at risk: it would be on the
    disk in the clear. Raises `KeysRefused` if there are several, or if there must be one.
    """
    if tx.get(Installation, 1):
        return
    if tx.get_bind().dialect.name == "postgresql":
        # Two first upgrades at once would make a key each; SQLite has one writer at a time anyway.
        tx.execute(text("LOCK TABLE installation IN EXCLUSIVE MODE"))
        if tx.get(Installation, 1):
            return
    fingerprint = _the_only_key(keys, credentials)
    if not fingerprint and tx.settings.at_risk:
        raise KeysRefused(
            "AT_RISK is on, and there is no key: `flask keys lock --new` makes one behind a "
            "passphrase. Or hand one over as a credential (docs/at-risk.md)."
        )
    fingerprint = fingerprint or make_key(keys)
    tx.execute(insert(Installation).values(id=1, key_fingerprint=fingerprint))


def _the_only_key(keys: Path, credentials: Path | None) -> str:
    """Return the fingerprint of the key that is there; empty if there is none."""
    found = {*read_keys(keys, credentials), *key_lock.names(keys)}
    if len(found) > 1:
        raise KeysRefused(
            f"There are {len(found)} keys, and the new database could be sealed with any: "
            f"leave one of them in {keys}."
        )
    return next(iter(found), "")


def key_in_use(tx: Transaction) -> str:
    """Return the fingerprint of the key that seals this database, or raise `KeysRefused`.

    On PostgreSQL a writing transaction holds a shared lock on the key until it ends, so that a
    rotation waits for it.
    """
    wanted = select(Installation.key_fingerprint)
    if tx.is_writing and tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock_shared({_KEY_LOCK_ID})"))
    fingerprint = tx.scalar(wanted)
    if fingerprint is None:
        raise KeysRefused("The database is not set up: run `flask database upgrade`.")
    return fingerprint


def lock_key_for_rotation(tx: Transaction) -> None:
    """Wait for all writers, and keep new ones out until this transaction ends.

    SQLite has one writer at a time anyway.
    """
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(text(f"SELECT pg_advisory_xact_lock({_KEY_LOCK_ID})"))


def open_ring(tx: Transaction, keys: Path, credentials: Path | None = None) -> KeyRing:
    """Return the ring that seals this database, or raise `KeysRefused`."""
    return ring_with(key_in_use(tx), keys, credentials)


def ring_with(fingerprint: str, keys: Path, credentials: Path | None = None) -> KeyRing:
    """Return the ring in which the key of `fingerprint` seals, or raise `KeysRefused`.

    Raises `KeysLocked` if its passphrase has to be typed in first.
    """
    found = read_keys(keys, credentials)
    if fingerprint not in found and fingerprint in key_lock.names(keys):
        raise KeysLocked("The key is locked: `flask keys unlock` asks for its passphrase.")
    if fingerprint not in found:
        raise KeysRefused(
            f"The database is sealed with the key {fingerprint}, which is not in {keys}: "
            "put that key back. None was made and nothing was changed."
        )
    return KeyRing(found, fingerprint)


def content_version(tx: Transaction) -> int:
    """Return the number that rises with every public change."""
    return tx.scalar(select(func.max(Installation.content_version))) or 0


def note_content_change(tx: Transaction) -> None:
    """Raise the content version: cached pages are out of date."""
    tx.execute(update(Installation).values(content_version=Installation.content_version + 1))


def last_round_at(tx: Transaction) -> datetime | None:
    """Return when the worker made its last round; None if it has made none."""
    return tx.scalar(select(Installation.last_round_at))


def note_round(tx: Transaction) -> None:
    """Note that the worker has just made a round."""
    tx.execute(update(Installation).values(last_round_at=tx.now))
