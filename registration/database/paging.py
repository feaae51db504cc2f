"""Reads many rows by pages: in ascending order of a key, so that no page is slower than another."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from ..crypto.key_ring import KeyRing
from .transaction import Transaction

# SQLite limits the number of values of a statement.
VALUES_A_STATEMENT = 500

T = TypeVar("T")
Opening = Callable[[], AbstractContextManager[Transaction]]


def pages(
    tx: Transaction, wanted: Select[*tuple[Any, ...]], key: InstrumentedAttribute[int], size: int
) -> Iterator[Sequence[Any]]:
    """Yield the rows of `wanted`, at most `size` at once. Its columns include `key`.

    Rows are read past the ORM, which would take a fifth of the time for nothing, and flushes
    nothing.
    """
    last = 0
    while rows := _page(tx, wanted, key, size, last):
        yield rows
        last = getattr(rows[-1], key.key)


def pages_apart(
    opening: Opening, wanted: Select[*tuple[Any, ...]], key: InstrumentedAttribute[int], size: int
) -> Iterator[tuple[Sequence[Any], KeyRing]]:
    """Yield as `pages` does, each page read in a transaction of its own, which has ended by then;
    with the keys that open it."""
    last = 0
    while True:
        with opening() as tx:
            rows, keys = _page(tx, wanted, key, size, last), tx.keys
        if not rows:
            return
        yield rows, keys
        last = getattr(rows[-1], key.key)


def batches(values: Sequence[T], size: int = VALUES_A_STATEMENT) -> Iterator[Sequence[T]]:
    """Yield all values, at most `size` at once, for statements that name them one by one."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _page(
    tx: Transaction,
    wanted: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    size: int,
    last: int,
) -> Sequence[Any]:
    return tx.connection().execute(wanted.where(key > last).order_by(key).limit(size)).all()
