"""The running app's settings, clock, key ring and links, and its way to deliver letters."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, current_app

from . import database
from .config import Settings
from .crypto.key_ring import KeyRing, KeysLocked, KeysRefused, plain_files
from .database import Transaction
from .links import Links
from .models import Discussion
from .refusals import Refusal
from .services import installation
from .services.erasure import ledger
from .services.operations import schema
from .services.operations.feed_statistics import Tally
from .services.organizers import passwords

# Most commands neither send letters nor erase, and need not import how that is done.
if TYPE_CHECKING:
    from .mail.delivery import Delivery
    from .services.erasure.erasures import Receipt

# A write takes a few seconds at most, a password's hash a fraction of a second.
STUCK_SECONDS = 60

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def init_app(app: Flask, settings: Settings, clock: Clock | None = None) -> None:
    """Give `app` its settings and clock; tests have clocks of their own."""
    app.extensions["settings"] = settings
    app.extensions["clock"] = clock or utc_now
    app.extensions["keys of a transaction"] = _open_keys
    app.extensions["feed tally"] = Tally()
    app.config.setdefault("PASSWORD_COST", passwords.FULL_COST)


def utc_now() -> datetime:
    """Return the machine's current time, in UTC."""
    return datetime.now(UTC)


def settings() -> Settings:
    """Return the running app's settings."""
    current: Settings = current_app.extensions["settings"]
    return current


def now() -> datetime:
    """Return the current time, by the running app's clock."""
    moment: datetime = current_app.extensions["clock"]()
    return moment


def feed_tally() -> Tally:
    """Return this process's counts of fetches of the feed."""
    tally: Tally = current_app.extensions["feed tally"]
    return tally


def find_stuck() -> list[str]:
    """Return a sentence for each operation of this process that blocks others for too long."""
    durations = {
        "A change has held the database for more than a minute.": database.writing_seconds(),
        "The check of a password has not ended for more than a minute.": passwords.stuck_seconds(),
    }
    return [sentence for sentence, seconds in durations.items() if seconds > STUCK_SECONDS]


def password_cost() -> passwords.Cost:
    """Return the cost parameters of password hashes; tests make them cheap."""
    cost: passwords.Cost = current_app.config["PASSWORD_COST"]
    return cost


def links() -> Links:
    """Return the absolute links of this installation."""
    return Links(settings().public_url)


def is_discreet(discussion: Discussion) -> bool:
    """Whether letters and attendees' calendars must not name a discussion."""
    return discussion.content.is_discreet(settings())


def open_keys() -> None:
    """Open the key ring, unless it is open already, and check the schema.

    Raises `KeysRefused`, `SchemaOutdated`, `SchemaNewer`.
    """
    if "ring" not in current_app.extensions:
        schema.check(database.engine())
        with database.reading() as tx:
            tx.hold_keys()


def is_locked() -> bool:
    """Whether the key in use is behind a passphrase that has not been typed in."""
    try:
        open_keys()
        with database.reading() as tx:
            tx.hold_keys()
    except KeysLocked:
        return True
    return False


def _open_keys(tx: Transaction) -> KeyRing:
    """Return the ring with the key that `tx` sees in use: another process may have rotated it."""
    ring: KeyRing | None = current_app.extensions.get("ring")
    if ring is None:
        _refuse_plain_keys()
    if ring is None or ring.current != installation.key_in_use(tx):
        ring = installation.open_ring(tx, settings().keys, settings().credentials)
        current_app.extensions["ring"] = ring
        current_app.secret_key = ring.secret("web")
    return ring


def _refuse_plain_keys() -> None:
    """Raise `KeysRefused` if attendees are at risk, and the disk has a key in the clear.

    Only at the start: a rotation under a running service may leave one for a moment.
    """
    for path in plain_files(settings().keys) if settings().at_risk else []:
        raise KeysRefused(
            f"AT_RISK is on, and anybody who gets this disk can read {path}: protect it with "
            "`flask keys lock`, or make it a credential (docs/at-risk.md says how)."
        )


def letters_folder() -> Path | None:
    """Return the folder that letters are written to; None if they are sent to a server."""
    return settings().mail.folder


def new_delivery() -> "Delivery":
    """Return a delivery for one batch of letters."""
    from .mail import delivery  # noqa: PLC0415

    current = settings()
    return delivery.for_route(current.mail, current.mail_from.addr_spec, current.host)


def record_erasure(receipt: "Receipt") -> None:
    """Add what has just been erased to the ledger beside the keys, delete exports that contain it,
    and empty the journal.

    Housekeeping does later whatever cannot be done now.
    """
    with _log_if_not_written():
        ledger.add(settings().keys, receipt.every_id)
    if receipt.every_id:
        _remove_exports()
        database.scrub()


def _remove_exports() -> None:
    from .services.attendees import export_removal  # noqa: PLC0415
    from .services.attendees.export_records import Source  # noqa: PLC0415

    try:
        source = Source(database.reading, database.writing, settings().keys)
        for sentence in export_removal.remove_stale(source):
            log.warning("%s", sentence)
    except Refusal as refusal:
        log.warning("Exports with erased people are deleted later: %s", refusal)


def record_missing_erasures() -> None:
    """Add every erasure to the ledger beside the keys that it does not contain yet."""
    with _log_if_not_written(), database.reading() as tx:
        ledger.catch_up(tx, settings().keys)


@contextmanager
def _log_if_not_written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("The list of what was erased cannot be written: %s.", error.strerror)  # noqa: TRY400
