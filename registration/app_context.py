"""What the running app has at hand: settings, clock, key ring, links, and a way for letters."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, current_app

from . import database
from .config import Settings
from .crypto.key_ring import KeyRing
from .database import Transaction
from .links import Links
from .mail import delivery
from .services import installation
from .services.erasure import ledger
from .services.erasure.erasures import Receipt
from .services.operations import schema
from .services.operations.feed_statistics import Tally
from .services.organizers import passwords

# A change of the database takes seconds at most, a password's hash a fraction of one.
STUCK_SECONDS = 60

Clock = Callable[[], datetime]

log = logging.getLogger(__name__)


def init_app(app: Flask, settings: Settings, clock: Clock | None = None) -> None:
    """Give `app` its settings and clock; tests have clocks of their own."""
    app.extensions["settings"] = settings
    app.extensions["clock"] = clock or utc_now
    app.extensions["keys of a transaction"] = _open_keys
    app.extensions["feed readers"] = Tally()
    app.config.setdefault("PASSWORD_COST", passwords.FULL_COST)


def utc_now() -> datetime:
    """Return the time of the machine, in UTC."""
    return datetime.now(UTC)


def settings() -> Settings:
    """Return the running app's settings."""
    found: Settings = current_app.extensions["settings"]
    return found


def now() -> datetime:
    """Return the moment, by the running app's clock."""
    moment: datetime = current_app.extensions["clock"]()
    return moment


def readers() -> Tally:
    """Return the counts of who fetched the feed from this process."""
    found: Tally = current_app.extensions["feed readers"]
    return found


def stuck() -> list[str]:
    """Return a sentence for each thing in this process that others wait for in vain."""
    found = {
        "A change has held the database for more than a minute.": database.writing_seconds(),
        "The check of a password has not ended for more than a minute.": passwords.stuck_seconds(),
    }
    return [sentence for sentence, seconds in found.items() if seconds > STUCK_SECONDS]


def password_cost() -> passwords.Cost:
    """Return what a password's hash costs; tests make it cheap."""
    found: passwords.Cost = current_app.config["PASSWORD_COST"]
    return found


def links() -> Links:
    """Return the absolute links of this installation."""
    return Links(settings().public_url)


def open_keys() -> None:
    """Open the key ring at first need, and check the database.

    Raises `KeysRefused`, `SchemaOutdated`, `SchemaNewer`.
    """
    if "ring" not in current_app.extensions:
        schema.check(database.engine())
        with database.reading() as tx:
            tx.hold_keys()


def _open_keys(tx: Transaction) -> KeyRing:
    """Open the ring for what `tx` sees: another process may have rotated the keys."""
    found: KeyRing | None = current_app.extensions.get("ring")
    if found is None or found.current != installation.key_in_use(tx):
        found = installation.open_ring(tx, settings().keys, settings().credentials)
        current_app.extensions["ring"] = found
        current_app.secret_key = found.secret("web")
    return found


def letters_folder() -> Path | None:
    """Return the folder in which letters are kept, where they are not sent."""
    return settings().mail.folder


def new_delivery() -> delivery.Delivery:
    """Return a way to deliver one batch of letters."""
    found = settings()
    return delivery.for_route(found.mail, found.mail_from.addr_spec, found.host)


def remember(receipt: Receipt) -> None:
    """Note beside the keys what has just been erased, and empty the journal.

    What cannot be noted now is noted by the next round.
    """
    with _told_if_not_written():
        ledger.remember(settings().keys, receipt.every_id)
    if receipt.every_id:
        database.scrub()


def catch_up() -> None:
    """Note beside the keys every erasure that is not noted there yet."""
    with _told_if_not_written(), database.reading() as tx:
        ledger.catch_up(tx, settings().keys)


@contextmanager
def _told_if_not_written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("The list of what was erased cannot be written: %s.", error.strerror)  # noqa: TRY400
