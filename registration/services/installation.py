"""Makes an installation's database row and first key, and opens its key ring afterwards."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from ..crypto.key_ring import KeysRefused, Ring, make_key, read_keys
from ..database import is_writing
from ..models import Installation

# What PostgreSQL's advisory locks know the key in use by.
_KEY_LOCK = 720231208


def install(session: Session, keys: Path, credentials: Path | None = None) -> None:
    """Make the installation's row, with a key of its own, where there is none yet.

    A key is made only for a database that has never sealed anything; never over another, and
    not where `credentials` bring one.
    """
    if session.get(Installation, 1):
        return
    if session.get_bind().dialect.name == "postgresql":
        # Two first upgrades at once would make a key each; SQLite has one writer at a time anyway.
        session.execute(text("LOCK TABLE installation IN EXCLUSIVE MODE"))
        if session.get(Installation, 1):
            return
    found = read_keys(keys, credentials)
    if len(found) > 1:
        raise KeysRefused(
            f"There are {len(found)} keys, and the new database could be sealed with any: "
            f"leave one of them in {keys}."
        )
    fingerprint = next(iter(found)) if found else make_key(keys)
    session.execute(insert(Installation).values(id=1, key_fingerprint=fingerprint))


def key_in_use(session: Session) -> str:
    """Return the fingerprint of the key that seals this database, or raise `KeysRefused`.

    Who writes keeps it in use until their transaction ends: a rotation waits for them.
    """
    wanted = select(Installation.key_fingerprint)
    if is_writing(session) and session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock_shared({_KEY_LOCK})"))
    fingerprint = session.scalar(wanted)
    if fingerprint is None:
        raise KeysRefused("The database is not set up: run `flask database upgrade`.")
    return fingerprint


def change_key(session: Session) -> None:
    """Wait until nobody writes with the key in use, and let nobody before this transaction ends.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({_KEY_LOCK})"))


def open_ring(session: Session, keys: Path, credentials: Path | None = None) -> Ring:
    """Return the ring that seals this database, or raise `KeysRefused`."""
    return ring_of(key_in_use(session), keys, credentials)


def ring_of(fingerprint: str, keys: Path, credentials: Path | None = None) -> Ring:
    """Return the ring in which the key of `fingerprint` seals, or raise `KeysRefused`."""
    found = read_keys(keys, credentials)
    if fingerprint not in found:
        raise KeysRefused(
            f"The database is sealed with the key {fingerprint}, which is not in {keys}: "
            "put that key back. None was made and nothing was changed."
        )
    return Ring(found, fingerprint)


def content_version(session: Session) -> int:
    """Return the number that rises whenever anything public changes."""
    return session.scalar(select(func.max(Installation.content_version))) or 0


def content_has_changed(session: Session) -> None:
    """Note that something public has changed: what is kept of the old is stale."""
    session.execute(update(Installation).values(content_version=Installation.content_version + 1))


def last_round_at(session: Session) -> datetime | None:
    """Return when the worker last erased what was due."""
    return session.scalar(select(Installation.last_round_at))


def has_made_round(session: Session, now: datetime) -> None:
    """Note that the worker has erased what was due."""
    session.execute(update(Installation).values(last_round_at=now))
