"""Filter, order, search and page of the table of attendees, as parameters of its address.

The searched words are sealed there, with a key for this purpose only: addresses are kept by
browsers and proxies, and are sent to others; and no other sealed value must be opened from one.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from flask import request, url_for

from ...crypto.key_ring import KeyRing, SealBroken
from ...services.attendees.table import Filter, Order, Query

_Choice = TypeVar("_Choice", bound=StrEnum)


def wanted(slug: str, ring: KeyRing) -> Query:
    """Return what the request's address asks for; an unknown choice counts as the default."""
    asked = request.args
    return Query(
        _one_of(Filter, asked.get("who", ""), Filter.ALL),
        _one_of(Order, asked.get("order", ""), Order.LAST),
        _opened(slug, asked.get("search", ""), ring),
        max(1, asked.get("page", 1, type=int)),
    )


def address(
    slug: str,
    ring: KeyRing,
    shown: Query,
    endpoint: str = "organizer.attendees.attendees",
    **changes: object,
) -> str:
    """Return the address of the table as it is shown, with `changes`; from its first page on."""
    asked = replace(shown, **{"page": 1} | changes)  # type: ignore[arg-type]
    said: dict[str, Any] = {
        "who": asked.who.value if asked.who is not Filter.ALL else None,
        "order": asked.order.value if asked.order is not Order.LAST else None,
        "search": ring.seal_for(_purpose(slug), asked.search) if asked.search else None,
        "page": asked.page if asked.page > 1 else None,
    }
    return url_for(endpoint, slug=slug, **said)


def _one_of(kind: type[_Choice], value: str, default: _Choice) -> _Choice:
    return kind(value) if value in set(kind) else default


def _opened(slug: str, sealed: str, ring: KeyRing) -> str:
    try:
        return ring.unseal_for(_purpose(slug), sealed) if sealed else ""
    except SealBroken:
        return ""


def _purpose(slug: str) -> str:
    return f"search {slug}"
