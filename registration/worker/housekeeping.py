"""Housekeeping: erase what is due, hourly; every minute, promote registrations and post reminders.

An hourly run, a round, also audits time zones and rewrites stale exports.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from flask import current_app

from .. import app_context
from ..database import Transaction, is_scrub_due, reading, scrub, writing
from ..refusals import OperatorRefusal
from ..services import audit_log, installation, rate_limits
from ..services.attendees import export_files, export_removal
from ..services.attendees.export_records import Source
from ..services.discussions import timezone_changes
from ..services.erasure import answers, clock_guard, erasures, everybody
from ..services.erasure.erasures import Receipt
from ..services.notices import follow_ups, reminders
from ..services.organizers import failed_sign_ins
from ..services.seats import allocation

HOURLY = timedelta(hours=1)
EVERY_MINUTE = timedelta(minutes=1)
_LAST_RUN_EVERY_MINUTE = "when housekeeping last ran for a minute"
_FAILED_EXPORTS = "exports that cannot be written or deleted"

log = logging.getLogger(__name__)


class ErasureWaits(OperatorRefusal):
    """The clock seems to have jumped: nothing is erased for a day."""


def run_hourly() -> None:
    """Run the hourly housekeeping if it is due; else only finish earlier erasures, and those that
    an administrator wants now."""
    now = app_context.now()
    with reading() as tx:
        last, is_marked = installation.last_round_at(tx), everybody.has_marked(tx)
    if is_marked:
        erase_marked()
    if last is not None and timedelta() <= now - last < HOURLY:
        _log_all(finish_erasures())
        return
    try:
        receipt = erase_due()
    except ErasureWaits as refusal:
        log.warning("%s", refusal)
    else:
        if receipt.every_id:
            log.info("Erased %s, whose time had come.", receipt)
    _audit_times()
    current_app.extensions.pop(_FAILED_EXPORTS, None)
    # Another process may have erased, and ended before it could empty the journal.
    scrub()
    _log_all(finish_erasures())


def run_every_minute() -> None:
    """Once a minute, do what falls due by time alone.

    Release expired seat holds to the waiting list, and post reminders and follow-ups.
    """
    now = app_context.now()
    last = current_app.extensions.get(_LAST_RUN_EVERY_MINUTE)
    if last is not None and timedelta() <= now - last < EVERY_MINUTE:
        return
    current_app.extensions[_LAST_RUN_EVERY_MINUTE] = now
    with reading() as tx:
        promotable, remindable = allocation.find_promotable(tx), reminders.due_discussions(tx)
        over = follow_ups.due_discussions(tx)
    for discussion_id in promotable:
        with writing() as tx, allocation.locked_discussion(tx, discussion_id, promotes=True):
            pass
    for discussion_id in remindable:
        with writing() as tx:
            reminders.owe_reminders(tx, discussion_id)
    for discussion_id in over:
        with writing() as tx:
            follow_ups.owe_follow_ups(tx, discussion_id)


def erase_due() -> Receipt:
    """Erase what is due in batches, also old drafts and rate limits. Raises `ErasureWaits`."""
    with writing() as tx:
        until = clock_guard.waits_until(tx)
        rate_limits.delete_old_buckets(tx)
        failed_sign_ins.delete_old(tx)
        if until:
            installation.note_round(tx)
    app_context.record_missing_erasures()
    if until:
        raise ErasureWaits(
            f"More than {clock_guard.CLOCK_JUMP.days} days lie between two rounds: if the clock is "
            f"wrong, set it right. Erasure waits until {until:%Y-%m-%d %H:%M} UTC, and then "
            "goes on."
        )
    letters, days = app_context.letters_folder(), app_context.settings().retention_days
    receipt = _in_batches(
        lambda tx: erasures.erase_due(tx, letters=letters),
        lambda tx: erasures.erase_due_mailings(tx, letters=letters, days=days),
    )
    _erase_answers()
    with writing() as tx:
        forms = erasures.erase_due_forms(tx)
        drafts = erasures.erase_old_drafts(tx, days=days)
        audit_log.forget_organizers(tx, days=days)
        erasures.erase_old_notices(tx, letters=letters, days=days)
        installation.note_round(tx)
    if drafts:
        log.info("Erased %d drafts of discussions that nobody has saved for %d days.", drafts, days)
    if forms:
        log.info("Erased %d forms that nobody has confirmed.", forms)
    if drafts or forms:
        scrub()
    return receipt


def _erase_answers() -> None:
    """Erase answers and attendance that are due, where attendees are at risk."""
    total = 0
    while app_context.settings().at_risk:
        with writing() as tx:
            count = answers.erase_due(tx)
        if not count:
            break
        total += count
    if total:
        log.info("Erased the answers and the attendance of %d registrations.", total)
        scrub()


def _audit_times() -> None:
    with reading() as tx:
        findings = timezone_changes.find_changes(tx)
    for finding in findings:
        if finding.now_is is None:
            log.warning("%s", timezone_changes.describe(finding))
    if any(finding.now_is for finding in findings):
        with writing() as tx:
            mended = timezone_changes.apply_changes(tx)
        _log_all([timezone_changes.describe(finding) for finding in mended if finding.now_is])


def erase_all(slug: str) -> Receipt:
    """Erase all registrations and mailings of a discussion, and the letters kept in a folder.

    Raises `NoSuchDiscussion`.
    """
    letters = app_context.letters_folder()
    return _in_batches(
        lambda tx: erasures.erase_all(tx, slug, letters=letters),
        lambda tx: erasures.erase_all_mailings(tx, slug, letters=letters),
    )


def erase_marked(max_seconds: float | None = None) -> Receipt:
    """Erase everybody whom an administrator has marked, for at most `max_seconds`."""
    deadline = None if max_seconds is None else time.monotonic() + max_seconds
    total, letters = Receipt(), app_context.letters_folder()
    while deadline is None or time.monotonic() < deadline:
        with writing() as tx:
            receipt = everybody.erase_marked(tx, letters=letters)
            is_done = not everybody.has_marked(tx)
        app_context.record_erasure(receipt)
        total += receipt
        if is_done:
            break
    if total.every_id:
        log.info("Erased %s, on an administrator's word.", total)
        _log_all(finish_erasures())
    return total


def _in_batches(*erase_some: Callable[[Transaction], Receipt]) -> Receipt:
    """Call each function, one transaction a batch, until it finds nothing more to erase."""
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


def finish_erasures() -> list[str]:
    """Empty the journal if that is due, rewrite stale exports and delete old ones; return sentences
    to show or log.

    The next hourly run retries an export that cannot be written or deleted.
    """
    if is_scrub_due():
        scrub()
    failed: set[str] = current_app.extensions.setdefault(_FAILED_EXPORTS, set())
    source = Source(reading, writing, app_context.settings().keys)
    return export_removal.delete_old(source, failed) + export_files.refresh(source, failed)


def _log_all(sentences: list[str]) -> None:
    for sentence in sentences:
        log.warning("%s", sentence)
