"""The worker's loop: it delivers owed letters in batches and runs the housekeeping.

A crash loses nothing: a letter is owed until it is marked, and a lease ends by itself.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError

from .. import app_context, faults, outbox
from ..database import DatabaseBusy, DatabaseUnavailable, reading, writing
from ..mail import maildir
from ..mail.delivery import Delivery, LetterRefused, MailStopped, ServerUnavailable, TryLater
from ..models import Letter
from ..refusals import N_, Refusal
from . import housekeeping, letter_content

BATCH_SIZE = 50
# The pause between two queries while the outbox is empty.
POLL_SECONDS = 1.0
# The pause while the server cannot be reached: it doubles after each attempt, up to the longest.
FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 300.0

log = logging.getLogger(__name__)


def run(
    app: Flask,
    stop: threading.Event,
    *,
    poll_seconds: float = POLL_SECONDS,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
) -> None:
    """Deliver and run the housekeeping until `stop` is set; finish the current letter first."""
    wait = poll_seconds
    while not stop.wait(wait):
        try:
            with app.app_context():
                if app_context.is_locked():
                    continue
                run_housekeeping()
                deliver_due(stop, between=run_housekeeping)
            wait = poll_seconds
        except (ServerUnavailable, MailStopped) as refusal:
            wait = min(max(wait * 2, first_wait_seconds), LONGEST_WAIT_SECONDS)
            log.warning("No letter was sent; next try in %d seconds. %s", wait, refusal)
        except Refusal as refusal:
            wait = first_wait_seconds
            log.error("The worker: %s", refusal)  # noqa: TRY400  # a refusal needs no traceback
        except Exception as error:  # noqa: BLE001  # the worker outlives every fault
            wait = first_wait_seconds
            log.error("The worker failed: %s", faults.place_of(error))  # noqa: TRY400


def run_housekeeping() -> None:
    """Run the housekeeping that is due. A failure is logged, and delays no letter."""
    try:
        housekeeping.run_hourly()
        housekeeping.run_every_minute()
    except Refusal as refusal:
        log.error("The round: %s", refusal)  # noqa: TRY400  # a refusal needs no traceback
    except Exception as error:  # noqa: BLE001  # no fault may stop the delivery
        log.error("The round failed: %s", faults.place_of(error))  # noqa: TRY400


def deliver_due(
    stop: threading.Event | None = None, *, between: Callable[[], None] | None = None
) -> int:
    """Deliver all letters due now; return how many were accepted. Call `between` after each batch.

    Raises `ServerUnavailable` or `MailStopped` when nothing can be sent at present, and
    `KeysRefused` when nothing can be written.
    """
    app_context.open_keys()
    accepted = 0
    while not (stop and stop.is_set()):
        letters = _claim()
        if not letters:
            break
        accepted += _deliver(letters, stop)
        if between:
            between()
    return accepted


def _claim() -> Sequence[Letter]:
    now, an_hour = app_context.now(), app_context.settings().letters_an_hour
    with reading() as tx:
        if not outbox.has_due(tx):
            return []
        max_limited = outbox.rate_limited_left(tx, an_hour)
        if not outbox.has_due(tx, max_limited=max_limited):
            _warn_of_waiting(outbox.rate_limited_due(tx), an_hour, now)
            return []
    with writing() as tx:
        max_limited = outbox.rate_limited_left(tx, an_hour)
        return outbox.claim(tx, BATCH_SIZE, max_limited=max_limited)


def _warn_of_waiting(count: int, an_hour: int, now: datetime) -> None:
    """Log, at most once an hour, how many letters wait for the hourly limit."""
    warned_at: datetime | None = current_app.extensions.get("warned of waiting letters")
    if warned_at is not None and timedelta() <= now - warned_at < outbox.HOUR:
        return
    current_app.extensions["warned of waiting letters"] = now
    log.warning(
        "%d letters to addresses that anybody could have typed wait in the outbox: "
        "LETTERS_AN_HOUR lets %d leave in an hour.",
        count,
        an_hour,
    )


def _deliver(letters: Sequence[Letter], stop: threading.Event | None) -> int:
    """Send a batch over one connection, and release the letters that were not tried.

    If the database fails in between, the leases end by themselves.
    """
    delivery = app_context.new_delivery()
    accepted = tried = 0
    try:
        delivery.open()
        for letter in letters:
            if stop and stop.is_set():
                break
            accepted += _deliver_one(delivery, letter)
            tried += 1
    except (ServerUnavailable, MailStopped) as refusal:
        _release(letters[tried:], str(refusal))
        raise
    finally:
        delivery.close()
    _release(letters[tried:], N_("not tried"))
    return accepted


def _release(letters: Sequence[Letter], reason: str) -> None:
    if letters:
        with writing() as tx:
            for letter in letters:
                outbox.release(tx, letter, reason)


def _deliver_one(delivery: Delivery, letter: Letter) -> bool:
    """Compose and send one letter, and mark the result; return whether it was accepted."""
    try:
        with reading() as tx:
            composed = letter_content.compose(tx, letter)
    except (DatabaseBusy, DatabaseUnavailable, DBAPIError):
        raise
    except Exception as error:  # noqa: BLE001  # a letter that cannot be composed blocks no other
        _mark_failed(letter, error)
        return False
    if composed is None:
        with writing() as tx:
            outbox.mark_dropped(tx, letter)
        return False
    try:
        answer = delivery.send(letter.public_id, composed.message, composed.private)
    except LetterRefused as refusal:
        log.warning("Letter %d is refused for good: %s", letter.id, refusal)
        with writing() as tx:
            outbox.mark_failed(tx, letter, str(refusal))
        return False
    except TryLater as refusal:
        with writing() as tx:
            outbox.mark_retry(tx, letter, str(refusal))
        return False
    except (ServerUnavailable, MailStopped):
        raise
    except Exception as error:  # noqa: BLE001  # nor does one that cannot be sent
        _mark_failed(letter, error)
        return False
    _record(letter, answer, composed.tells)
    return True


def _mark_failed(letter: Letter, error: Exception) -> None:
    log.error("Letter %d cannot be written: %s", letter.id, faults.place_of(error))
    with writing() as tx:
        answer = f"cannot be written: {type(error).__name__}"
        outbox.mark_failed(tx, letter, answer)


def _record(letter: Letter, answer: str, tells: int | None) -> None:
    """Mark a letter sent; delete its file if its registration was erased meanwhile."""
    with writing() as tx:
        is_recorded = letter_content.record_sent(tx, letter, answer, tells=tells)
    folder = app_context.letters_folder()
    if not is_recorded and folder:
        maildir.discard(folder, letter.public_id)
