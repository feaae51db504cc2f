"""The round: once an hour, what is due is erased, and what an erasure left to do is done."""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from .. import house
from ..database import is_scrub_due, reading, scrub, writing
from ..refusals import Refusal
from ..services import clock, erasing, filing, installing, remembering, throttling
from ..services.erasing import Receipt
from ..services.filing import Sessions

ROUND = timedelta(hours=1)

log = logging.getLogger(__name__)


class ErasureWaits(Refusal):
    """The clock seems to have jumped: nothing is erased by it for a day."""


def make() -> None:
    """Make the round if it is due; else only finish what an erasure left to do."""
    now = house.now()
    with reading() as session:
        last = installing.last_round_at(session)
    if last is not None and timedelta() <= now - last < ROUND:
        finish()
        return
    try:
        receipt = erase_due()
    except ErasureWaits as refusal:
        log.warning("%s", refusal)
    else:
        if receipt.public_ids:
            log.info("Erased %s, whose time had come.", receipt)
    with writing() as session:
        clock.bring_back(session, house.settings(), now)
        throttling.forget(session, now=now)
    with reading() as session:
        remembering.catch_up(session, house.settings().keys)
    finish()


def erase_due() -> Receipt:
    """Erase what is due, batch by batch. Raises `ErasureWaits`."""
    now = house.now()
    with writing() as session:
        until = clock.waits_until(session, now)
        if until:
            installing.has_made_round(session, now)
    if until:
        raise ErasureWaits(
            f"More than {clock.JUMP.days} days lie between two rounds: if the clock is wrong, set "
            f"it right. Erasure waits until {until:%Y-%m-%d %H:%M} UTC, and then goes on."
        )
    receipt = _in_batches(
        lambda session: erasing.erase_due(session, letters=house.letters_folder(), now=now)
    )
    with writing() as session:
        installing.has_made_round(session, now)
    return receipt


def erase_all(slug: str) -> Receipt:
    """Erase everybody who registered for a discussion. Raises `NoSuchDiscussion`."""
    now = house.now()
    return _in_batches(
        lambda session: erasing.erase_all(session, slug, letters=house.letters_folder(), now=now)
    )


def _in_batches(erase_some: Callable[[Session], Receipt]) -> Receipt:
    total = Receipt()
    while True:
        with writing() as session:
            receipt = erase_some(session)
        if not receipt.public_ids:
            return total
        house.remember(receipt)
        total += receipt


def finish() -> list[str]:
    """Empty the journal if that is due, and write stale exports anew; return what was told."""
    if is_scrub_due():
        scrub()
    told = filing.refresh(Sessions(reading, writing, house.ring))
    for sentence in told:
        log.warning("%s", sentence)
    return told
