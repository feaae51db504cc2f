"""Rate limits of forms that can cause a letter, and the answer to a form that is not taken now."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

from flask import request

from .. import app_context
from ..database import DatabaseBusy, DatabaseUnavailable, Transaction, reading, writing
from ..refusals import Refusal
from ..services import rate_limits
from ..services.organizers.passwords import PasswordsBusy
from ..services.rate_limits import TooManyForms
from .error_log import log_refusal

# Refusals of a form that may be taken later.
NOT_NOW = (DatabaseBusy, DatabaseUnavailable, PasswordsBusy, TooManyForms)
# By then, a queue of password checks has ended.
_PASSWORDS_WAIT_SECONDS = 5


@contextmanager
def taking(discussion: str = "") -> Iterator[Transaction]:
    """Open a transaction, as `writing` does, for a form that can cause a letter.

    `discussion` is the UID of the one it registers for. Raises `TooManyForms`.
    """
    buckets = rate_limits.buckets_for_form(
        app_context.settings(), client=client(), discussion=discussion
    )
    with reading() as tx:
        rate_limits.refuse_if_empty(tx, buckets)
    with writing() as tx:
        yield tx
        # Last, so that others who share a bucket wait for no more than the commit.
        rate_limits.take_each(tx, buckets)


def client() -> str:
    """Return the client that sends the request, as `client_of` does."""
    return client_of(request.remote_addr)


def client_of(peer: str | None) -> str:
    """Return the client of a peer address: an IPv4 address, or an IPv6 network of 48 bits, which a
    provider gives to one customer.

    It is empty for this machine itself, behind which all look alike: Tor, or a proxy that is not
    one of TRUSTED_PROXIES.
    """
    try:
        address = ip_address(peer or "")
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), 48), strict=False))
    return str(address)


@dataclass(frozen=True, slots=True)
class Later:
    """A form is not taken now: the status of the answer, and the seconds to wait."""

    status: int
    seconds: int

    @property
    def minutes(self) -> int:
        """The same wait as people are told it, rounded up."""
        return ceil(self.seconds / 60)

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells programs."""
        return {"Retry-After": str(self.seconds)}


def try_later(refusal: Refusal, page: Callable[[Later], str]) -> tuple[str, int, dict[str, str]]:
    """Return the answer to a form that is not taken now: its `page`, with the time to wait."""
    wait = later(refusal)
    return page(wait), wait.status, wait.headers


def later(refusal: Refusal) -> Later:
    """Return when a form may be sent again; the service's own failures are logged."""
    if isinstance(refusal, TooManyForms):
        return Later(429, ceil(refusal.wait / timedelta(seconds=1)))
    if isinstance(refusal, PasswordsBusy):
        return Later(503, _PASSWORDS_WAIT_SECONDS)
    log_refusal(refusal)
    return Later(503, 60)
