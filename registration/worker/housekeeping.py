"""The round: once an hour, what is due is erased, and what an erasure left to do is done; once a
minute, seats and letters that fall due by time alone."""

import logging
from collections.abc import Callable
from datetime import timedelta

from flask import current_app

from .. import app_context
from ..database import Transaction, is_scrub_due, reading, scrub, writing
from ..refusals import Refusal
from ..services import installation, rate_limits
from ..services.attendees import export_files
from ..services.attendees.export_files import Source
from ..services.discussions import timezone_changes
from ..services.erasure import clock_guard, erasures
from ..services.erasure.erasures import Receipt
from ..services.notices import follow_ups, reminders
from ..services.seats import allocation

ROUND = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
_LOOKED = "when was looked for what falls due"
_GIVEN_UP = "exports that cannot be written"

log = logging.getLogger(__name__)


class ErasureWaits(Refusal):
    """The clock seems to have jumped: nothing is erased by it for a day."""


def make() -> None:
    """Make the round if it is due; else only finish what an erasure left to do."""
    now = app_context.now()
    with reading() as tx:
        last = installation.last_round_at(tx)
    if last is not None and timedelta() <= now - last < ROUND:
        _log(finish())
        return
    try:
        receipt = erase_due()
    except ErasureWaits as refusal:
        log.warning("%s", refusal)
    else:
        if receipt.every_id:
            log.info("Erased %s, whose time had come.", receipt)
    _audit_times()
    current_app.extensions.pop(_GIVEN_UP, None)
    # Another process may have erased, and gone away before the journal could be emptied.
    scrub()
    _log(finish())


def look() -> None:
    """Once a minute, do what falls due by time alone: seats that were held go to those who wait,
    reminders and follow-ups are owed."""
    now = app_context.now()
    last = current_app.extensions.get(_LOOKED)
    if last is not None and timedelta() <= now - last < MINUTE:
        return
    current_app.extensions[_LOOKED] = now
    with reading() as tx:
        promotable, remindable = allocation.promotable(tx), reminders.due(tx)
        over = follow_ups.due(tx)
    for number in promotable:
        with writing() as tx, allocation.changing(tx, number, promotes=True):
            pass
    for number in remindable:
        with writing() as tx:
            reminders.owe(tx, number)
    for number in over:
        with writing() as tx:
            follow_ups.owe(tx, number)


def erase_due() -> Receipt:
    """Make the round: erase what is due, batch by batch, and clear up. Raises `ErasureWaits`."""
    with writing() as tx:
        until = clock_guard.waits_until(tx)
        rate_limits.forget(tx)
        if until:
            installation.has_made_round(tx)
    app_context.record_missing_erasures()
    if until:
        raise ErasureWaits(
            f"More than {clock_guard.JUMP.days} days lie between two rounds: if the clock is "
            f"wrong, set it right. Erasure waits until {until:%Y-%m-%d %H:%M} UTC, and then "
            "goes on."
        )
    letters, days = app_context.letters_folder(), app_context.settings().retention_days
    receipt = _in_batches(
        lambda tx: erasures.erase_due(tx, letters=letters),
        lambda tx: erasures.erase_due_circulars(tx, letters=letters, days=days),
    )
    with writing() as tx:
        drafts = erasures.erase_old_drafts(tx, days=days)
        installation.has_made_round(tx)
    if drafts:
        log.info("Erased %d drafts of discussions that nobody has saved for %d days.", drafts, days)
        scrub()
    return receipt


def _audit_times() -> None:
    with reading() as tx:
        found = timezone_changes.findings(tx)
    for finding in found:
        if finding.now_is is None:
            log.warning("%s", timezone_changes.said_of(finding))
    if any(finding.now_is for finding in found):
        with writing() as tx:
            done = timezone_changes.mend(tx)
        _log([timezone_changes.said_of(finding) for finding in done if finding.now_is])


def erase_all(slug: str) -> Receipt:
    """Erase everybody who registered for a discussion, and what was written to them.

    Raises `NoSuchDiscussion`.
    """
    letters = app_context.letters_folder()
    return _in_batches(
        lambda tx: erasures.erase_all(tx, slug, letters=letters),
        lambda tx: erasures.erase_all_circulars(tx, slug, letters=letters),
    )


def _in_batches(*erase_some: Callable[[Transaction], Receipt]) -> Receipt:
    """Do each of these until it finds nothing more to erase."""
    total = Receipt()
    for erase in erase_some:
        while True:
            with writing() as tx:
                receipt = erase(tx)
            if not receipt.every_id:
                break
            app_context.record_erasure(receipt)
            total += receipt
    return total


def finish() -> list[str]:
    """Empty the journal if that is due, and write stale exports anew; return what is to be told.

    An export that cannot be written is tried again by the next round.
    """
    if is_scrub_due():
        scrub()
    if current_app.extensions.get(_GIVEN_UP):
        return []
    told = export_files.refresh(Source(reading, writing, app_context.settings().keys))
    with reading() as tx:
        current_app.extensions[_GIVEN_UP] = export_files.has_stale(tx)
    return told


def _log(told: list[str]) -> None:
    for sentence in told:
        log.warning("%s", sentence)
