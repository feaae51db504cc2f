"""What is logged of a request that failed: its endpoint and place, never whom it is about."""

import logging

from flask import request

from .. import faults

log = logging.getLogger(__name__)


def log_refusal(refusal: Exception) -> None:
    """Log what the service itself could not do; its words name nobody."""
    log.error("%s: %s", request.endpoint, refusal)


def log_fault(fault: BaseException | None) -> None:
    """Log a fault by its endpoint: the address asked for may hold a token."""
    place = faults.place_of(fault) if fault else "?"
    log.error("%s failed: %s", request.endpoint, place)
