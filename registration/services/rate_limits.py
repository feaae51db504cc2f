"""Limits what one address, one client and everybody together may cause, by token buckets in the
database.

A bucket's key is an HMAC of its name and the day (UTC), so that the table alone identifies nobody.
Somebody who also has the key ring could test a guessed address, so a day's buckets are deleted
when the day is over. Every day begins with full buckets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from .. import outbox
from ..config import Settings
from ..crypto.key_ring import KeyRing
from ..database import Transaction, table_of, upsert_into
from ..database.paging import batches
from ..models import Throttle
from ..refusals import N_, Refusal

# How long an empty bucket takes to fill.
REFILL_SPAN = timedelta(hours=1)
# Clocks of one installation differ by less. A wrong clock wrote any time further ahead.
MAX_CLOCK_SKEW = timedelta(minutes=1)
_TABLE = table_of(Throttle)
_TAKE = (
    update(_TABLE)
    .where(_TABLE.c.bucket_key == bindparam("key"))
    .values(tokens=bindparam("left"), at=bindparam("as_of"))
)


class TooManyForms(Refusal):
    """The hour's limit of forms is reached; after `wait`, one more is accepted."""

    sentence = N_("Too many forms have come just now: send this one again later.")

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        super().__init__()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of at most `capacity` tokens; an empty one fills evenly in `REFILL_SPAN`."""

    name: tuple[str, ...]
    capacity: int

    def level(self, tokens: float, at: datetime, now: datetime) -> tuple[float, datetime]:
        """Return the number of tokens now, given that there were `tokens` at `at`, and its time."""
        if at - now > MAX_CLOCK_SKEW:
            return self.capacity, now
        # A process whose clock is a little ahead may have written `at`: refill no span twice.
        passed = max(now - at, timedelta())
        return min(self.capacity, tokens + self.capacity * (passed / REFILL_SPAN)), max(at, now)

    def refuse_if_empty(self, level: float) -> None:
        """Raise `TooManyForms` unless there is a whole token."""
        if level < 1:
            raise TooManyForms(REFILL_SPAN * ((1 - level) / self.capacity))


def take(tx: Transaction, *bucket: str, capacity: int) -> bool:
    """Take a token from a bucket that is refilled only when the day (UTC) ends.

    Returns False if it is empty. The row is written in either case, so that the time this takes
    does not tell which. It is one statement, so that concurrent callers get no extra token.
    """
    full = {"bucket_key": _key(tx.keys, bucket, tx.now), "tokens": capacity - 1, "at": tx.now}
    less = {"tokens": _TABLE.c.tokens - 1, "at": tx.now}
    left: float = tx.scalars(_upsert(tx, less, _TABLE.c.tokens).values(full)).one()
    return left >= 0


def take_many(
    tx: Transaction, wanted: Mapping[tuple[str, ...], int], *, capacity: int
) -> dict[tuple[str, ...], int]:
    """Take several tokens from each bucket; return how many of those `wanted` each gave."""
    if not wanted:
        return {}
    keyed = {_key(tx.keys, name, tx.now): name for name in wanted}
    taken = [
        {"key": key, "first": capacity - wanted[name], "count": wanted[name], "as_of": tx.now}
        for key, name in keyed.items()
    ]
    adding = upsert_into(tx, _TABLE).values(
        bucket_key=bindparam("key"), tokens=bindparam("first"), at=bindparam("as_of")
    )
    less = {"tokens": _TABLE.c.tokens - bindparam("count"), "at": bindparam("as_of")}
    tx.execute(adding.on_conflict_do_update(index_elements=[_TABLE.c.bucket_key], set_=less), taken)
    given, keys = {}, list(keyed)
    for some in batches(keys):
        buckets = select(_TABLE.c.bucket_key, _TABLE.c.tokens).where(_TABLE.c.bucket_key.in_(some))
        for key, left in tx.execute(buckets):
            asked = wanted[keyed[key]]
            given[keyed[key]] = min(asked, max(0, asked + int(left)))
    return given


def buckets_for_form(settings: Settings, *, client: str, discussion: str = "") -> list[Bucket]:
    """Return the buckets that limit a form: everybody's, its discussion's and its client's.

    `discussion` is empty for a form without one, `client` where all clients have one address.
    """
    limit = settings.forms_an_hour
    buckets = [Bucket(("forms",), limit)]
    if discussion:
        buckets.append(Bucket(("forms", "discussion", discussion), limit // 2))
    if client:
        buckets.append(Bucket(("forms", "client", client), limit // 10))
    return buckets


def refuse_if_empty(tx: Transaction, buckets: Sequence[Bucket]) -> None:
    """Raise `TooManyForms` if a bucket is empty. Writes nothing, so that a flood takes no locks."""
    keyed = _keyed(buckets, tx.keys, tx.now)
    for key, tokens, at in tx.execute(select(_TABLE).where(_TABLE.c.bucket_key.in_(keyed))):
        keyed[key].refuse_if_empty(keyed[key].level(tokens, at, tx.now)[0])


def take_each(tx: Transaction, buckets: Sequence[Bucket]) -> None:
    """Take a token from each bucket, or raise `TooManyForms`: then roll the transaction back.

    The rows stay locked until the transaction ends, so that concurrent callers get no extra token.
    """
    keyed = _keyed(buckets, tx.keys, tx.now)
    left = []
    for key, tokens, at in _locked(tx, keyed):
        level, as_of = keyed[key].level(tokens, at, tx.now)
        keyed[key].refuse_if_empty(level)
        left.append({"key": key, "left": level - 1, "as_of": as_of})
    tx.execute(_TAKE, left)


def breaker_is_open(tx: Transaction) -> bool:
    """Whether the last hour's limit of first letters (`letters_an_hour`) is reached.

    It does not depend on whether a letter waits: that would tell the sender of a form whether
    theirs is owed.
    """
    return outbox.rate_limited_left(tx, tx.settings.letters_an_hour) == 0


def delete_old_buckets(tx: Transaction) -> None:
    """Delete the buckets of past days, and those of days to come, which a wrong clock made."""
    today = tx.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = today + timedelta(days=1)
    tx.execute(delete(Throttle).where(or_(Throttle.at < today, Throttle.at >= tomorrow)))


def _key(ring: KeyRing, name: Sequence[str], now: datetime) -> bytes:
    return ring.index("throttle", now.astimezone(UTC).date().isoformat(), *name)


def _keyed(buckets: Sequence[Bucket], ring: KeyRing, now: datetime) -> dict[bytes, Bucket]:
    return {_key(ring, bucket.name, now): bucket for bucket in buckets}


def _locked(tx: Transaction, keyed: Mapping[bytes, Bucket]) -> Sequence[Any]:
    """Insert missing buckets as full, lock all rows; return key, tokens and time of each."""
    full = [
        {"bucket_key": key, "tokens": bucket.capacity, "at": tx.now}
        for key, bucket in keyed.items()
    ]
    # On a row that exists this changes nothing, but locks and returns it.
    locking = _upsert(tx, {"tokens": _TABLE.c.tokens}, *_TABLE.c)
    return tx.execute(locking, full).all()


def _upsert(tx: Transaction, change: dict[str, Any], *returned: ColumnElement[Any]) -> Any:
    """Return an INSERT that, where the row exists, makes `change` to it."""
    adding = upsert_into(tx, _TABLE)
    return adding.on_conflict_do_update(
        index_elements=[_TABLE.c.bucket_key], set_=change
    ).returning(*returned)
