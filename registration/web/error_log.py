"""What is logged of a request that failed: its endpoint and place, never whom it is about.

Each line has a random id, which the error page shows too: so a visitor can quote it.
"""

import logging
import secrets

from flask import request

from .. import faults

# No vowels, so that no words come about, and nothing that can be taken for something else.
_LETTERS = "bcdfghjkmnpqrstvwxz"
_LENGTH = 8
_KEY = "registration.fault_id"

log = logging.getLogger(__name__)


def fault_id() -> str | None:
    """Return the id under which this request's failure was logged, if one was."""
    found: str | None = request.environ.get(_KEY)
    return found


def log_refusal(refusal: Exception) -> None:
    """Log what the service itself could not do; its words name nobody."""
    log.error("%s %s: %s", _new_id(), request.endpoint, refusal)


def log_fault(fault: BaseException | None) -> None:
    """Log a fault by its endpoint: the address asked for may hold a token."""
    place = faults.place_of(fault) if fault else "?"
    log.error("%s %s failed: %s", _new_id(), request.endpoint, place)


def _new_id() -> str:
    found = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    request.environ[_KEY] = found
    return found
