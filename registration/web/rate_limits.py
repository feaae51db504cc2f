"""Rate limits of forms that can cause a letter, and the answer to a form that is not taken now.

The views of such forms are marked with `route_properties.takes`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

from flask import Flask, Response, request

from .. import app_context
from ..database import DatabaseBusy, DatabaseUnavailable, Transaction, reading, writing
from ..refusals import Refusal
from ..services import rate_limits
from ..services.organizers.passwords import PasswordsBusy
from ..services.rate_limits import MISTAKES_A_FORM, Bucket, Form, TooManyForms
from .error_log import log_refusal
from .route_properties import property_of

# Refusals of a form that may be taken later.
NOT_NOW = (DatabaseBusy, DatabaseUnavailable, PasswordsBusy, TooManyForms)
# By then, a queue of password checks has ended.
_PASSWORDS_WAIT_SECONDS = 5
# Answers to forms that nothing came of.
_MISTAKEN = {400, 413, 415, 422}
_MISTAKE = 1 / MISTAKES_A_FORM

Page = Callable[["Later | None"], str]
Answer = tuple[str, int, dict[str, str]]


def init_app(app: Flask) -> None:
    """Count the forms with mistakes that are sent to `app`."""
    app.after_request(_count_mistake)


@contextmanager
def taking(discussion: str = "") -> Iterator[Transaction]:
    """Open a transaction, as `writing` does, for a form that can cause a letter.

    `discussion` is the UID of the one it registers for. Raises `TooManyForms`.
    """
    form: Form = property_of(request.endpoint, "takes")
    buckets = rate_limits.buckets_for_form(
        app_context.settings(), form, client=client(), discussion=discussion
    )
    with reading() as tx:
        rate_limits.refuse_if_empty(tx, buckets)
    with writing() as tx:
        yield tx
        # Last, so that others who share a bucket wait for no more than the commit.
        rate_limits.take_each(tx, buckets)


def mistaken(page: Page) -> Answer:
    """Return the answer to a form with mistakes: its `page`; and, if the sender has made too many,
    the time to wait until a form without any is accepted."""
    buckets = _buckets_for_mistake()
    try:
        with reading() as tx:
            if not rate_limits.has_tokens(tx, buckets, _MISTAKE):
                rate_limits.refuse_if_empty(tx, buckets)
    except TooManyForms as refusal:
        return try_later(refusal, page)
    except (DatabaseBusy, DatabaseUnavailable):
        pass  # the page does without
    return page(None), 422, {}


def _count_mistake(response: Response) -> Response:
    """Let a form with mistakes take its part of a token from its sender's bucket."""
    if request.method == "POST" and response.status_code in _MISTAKEN:
        # Whatever is wrong with the database or the keys, the answer is written already.
        with suppress(Refusal):
            _take_for_mistake(_buckets_for_mistake())
    return response


def _take_for_mistake(buckets: list[Bucket]) -> None:
    if not buckets:
        return
    with reading() as tx:
        if not rate_limits.has_tokens(tx, buckets, _MISTAKE):
            return
    with writing() as tx:
        rate_limits.take_each(tx, buckets, _MISTAKE)


def _buckets_for_mistake() -> list[Bucket]:
    form: Form | None = property_of(request.endpoint, "takes")
    if form is None:
        return []
    return rate_limits.buckets_for_mistake(app_context.settings(), form, client=client())


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


def try_later(refusal: Refusal, page: Callable[[Later], str]) -> Answer:
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
