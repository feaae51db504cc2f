"""The log line of a failed request: endpoint and place in the code, without personal data.

Each line has a random id, which the error page shows too: so a visitor can quote it.
"""

import logging
import secrets

from flask import request

from .. import faults

# No vowels, so that no words come about, and no letters that look alike.
_LETTERS = "bcdfghjkmnpqrstvwxz"
_LENGTH = 8
_KEY = "registration.fault_id"

log = logging.getLogger(__name__)


def fault_id() -> str | None:
    """Return the id under which this request's failure was logged, if one was."""
    logged: str | None = request.environ.get(_KEY)
    return logged


def log_refusal(refusal: Exception) -> None:
    """Log a failure of the service itself; the sentence of a refusal names nobody."""
    log.error("%s %s: %s", _new_id(), request.endpoint, refusal)


def log_fault(fault: BaseException | None) -> None:
    """Log a fault by its endpoint: the address asked for may hold a token."""
    place = faults.place_of(fault) if fault else "?"
    log.error("%s %s failed: %s", _new_id(), request.endpoint, place)


def _new_id() -> str:
    new_id = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    request.environ[_KEY] = new_id
    return new_id
