"""The worker: delivers what is owed, batch by batch, and makes the round that erases.

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
from ..refusals import Refusal
from . import housekeeping, letter_content

BATCH = 50
# Seconds between looks into an empty outbox.
PAUSE = 1.0
# Seconds to wait while the server cannot be reached: doubled each time, up to the second.
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0

log = logging.getLogger(__name__)


def run(
    app: Flask, stop: threading.Event, *, pause: float = PAUSE, first_wait: float = FIRST_WAIT
) -> None:
    """Deliver and make rounds until `stop` is set; the letter in hand is finished first."""
    wait = pause
    while not stop.wait(wait):
        try:
            with app.app_context():
                make_round()
                deliver_due(stop, between=make_round)
            wait = pause
        except (ServerUnavailable, MailStopped) as refusal:
            wait = min(max(wait * 2, first_wait), LONGEST_WAIT)
            log.warning("No letter was sent; next try in %d seconds. %s", wait, refusal)
        except Refusal as refusal:
            wait = first_wait
            log.error("The worker: %s", refusal)  # noqa: TRY400  # a refusal needs no traceback
        except Exception as error:  # noqa: BLE001  # the worker outlives every fault
            wait = first_wait
            log.error("The worker failed: %s", faults.place_of(error))  # noqa: TRY400


def make_round() -> None:
    """Make the round if it is due. One that fails is logged, and keeps no letter back."""
    try:
        housekeeping.make()
        housekeeping.look()
    except Refusal as refusal:
        log.error("The round: %s", refusal)  # noqa: TRY400  # a refusal needs no traceback
    except Exception as error:  # noqa: BLE001  # whatever it is, letters are owed
        log.error("The round failed: %s", faults.place_of(error))  # noqa: TRY400


def deliver_due(
    stop: threading.Event | None = None, *, between: Callable[[], None] | None = None
) -> int:
    """Deliver all that is due now, with a call of `between` after each batch, and return how many
    letters were accepted.

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
        first = outbox.first_left(tx, an_hour)
        if not outbox.has_due(tx, first=first):
            _tell_of_waiting(outbox.first_due(tx), an_hour, now)
            return []
    with writing() as tx:
        first = outbox.first_left(tx, an_hour)
        return outbox.claim(tx, BATCH, first=first)


def _tell_of_waiting(count: int, an_hour: int, now: datetime) -> None:
    """Log, once an hour, that first letters wait for the hour's limit."""
    told: datetime | None = current_app.extensions.get("told of waiting letters")
    if told is not None and timedelta() <= now - told < outbox.HOUR:
        return
    current_app.extensions["told of waiting letters"] = now
    log.warning(
        "%d letters to addresses that anybody could have typed wait in the outbox: "
        "LETTERS_AN_HOUR lets %d leave in an hour.",
        count,
        an_hour,
    )


def _deliver(letters: Sequence[Letter], stop: threading.Event | None) -> int:
    """Hand a batch over one connection, and give back what was not tried.

    Where the database fails in between, the leases end by themselves.
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
        _give_back(letters[tried:], str(refusal))
        raise
    finally:
        delivery.close()
    _give_back(letters[tried:], "not tried")
    return accepted


def _give_back(letters: Sequence[Letter], reason: str) -> None:
    if letters:
        with writing() as tx:
            for letter in letters:
                outbox.release(tx, letter, reason)


def _deliver_one(delivery: Delivery, letter: Letter) -> bool:
    """Write and hand over one letter, and mark what came of it; return whether it was accepted."""
    try:
        with reading() as tx:
            written = letter_content.written(tx, letter)
    except (DatabaseBusy, DatabaseUnavailable, DBAPIError):
        raise
    except Exception as error:  # noqa: BLE001  # one letter that cannot be written blocks no other
        _give_up(letter, error)
        return False
    if written is None:
        with writing() as tx:
            outbox.mark_dropped(tx, letter)
        return False
    try:
        answer = delivery.send(written.message, written.private)
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
    except Exception as error:  # noqa: BLE001  # nor does one that cannot be handed over
        _give_up(letter, error)
        return False
    _record(letter, answer, written.tells)
    return True


def _give_up(letter: Letter, error: Exception) -> None:
    log.error("Letter %d cannot be written: %s", letter.id, faults.place_of(error))
    with writing() as tx:
        answer = f"cannot be written: {type(error).__name__}"
        outbox.mark_failed(tx, letter, answer)


def _record(letter: Letter, answer: str, tells: int | None) -> None:
    """Mark a letter sent. One that was kept while its registration was erased is erased too."""
    with writing() as tx:
        is_recorded = letter_content.record(tx, letter, answer, tells=tells)
    folder = app_context.letters_folder()
    if not is_recorded and folder:
        maildir.discard(folder, maildir.key_of(letter.message_id))
