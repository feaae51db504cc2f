"""Limits what one address, one client and everybody may cause: buckets of tokens in the database.

A bucket's key is an HMAC of whom it is for and of the day, so that the table alone tells nothing
of anybody. Who has the key ring too could try an address; the buckets of a day are removed when
it is over. A new day begins with full buckets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, dialects, or_, select, update

from .. import outbox
from ..config import Settings
from ..crypto.key_ring import KeyRing
from ..database import Transaction, rows
from ..models import Throttle
from ..refusals import Refusal

# An empty bucket is full again after this.
SPAN = timedelta(hours=1)
# Clocks that work together differ by less. What is from later still, a wrong clock has written.
SKEW = timedelta(minutes=1)
# How many buckets one statement asks for.
_AT_ONCE = 500
_TABLE = rows(Throttle)
_TAKEN = (
    update(_TABLE)
    .where(_TABLE.c.bucket_key == bindparam("key"))
    .values(tokens=bindparam("left"), at=bindparam("as_of"))
)


class TooManyForms(Refusal):
    """As many forms have come as are taken in an hour; after `wait`, the next one may be."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        super().__init__("Too many forms have come just now: send this one again later.")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds up to `capacity` tokens; as many flow in, evenly, in `SPAN`."""

    name: tuple[str, ...]
    capacity: int

    def level(self, tokens: float, at: datetime, now: datetime) -> tuple[float, datetime]:
        """Return how many tokens are there now, if there were `tokens` at `at`; and as of when."""
        if at - now > SKEW:
            return self.capacity, now
        # Who was a moment later here may have written already: time does not flow in twice.
        passed = max(now - at, timedelta())
        return min(self.capacity, tokens + self.capacity * (passed / SPAN)), max(at, now)

    def refuse_if_empty(self, level: float) -> None:
        """Raise `TooManyForms` unless there is a token."""
        if level < 1:
            raise TooManyForms(SPAN * ((1 - level) / self.capacity))


def take(tx: Transaction, *bucket: str, capacity: int) -> bool:
    """Take a token from a bucket that holds `capacity` and is full again when the day (UTC) ends.

    Returns False if it is empty. Either way the row is written: the time this takes does not
    tell which. It is one statement, so that nobody who asks at the same moment gets a token more.
    """
    full = {"bucket_key": _key(tx.keys, bucket, tx.now), "tokens": capacity - 1, "at": tx.now}
    less = {"tokens": _TABLE.c.tokens - 1, "at": tx.now}
    left: float = tx.scalars(_upsert(tx, less, _TABLE.c.tokens).values(full)).one()
    return left >= 0


def take_many(
    tx: Transaction, wanted: Mapping[tuple[str, ...], int], *, capacity: int
) -> dict[tuple[str, ...], int]:
    """Take so many tokens from each of the buckets, as `take` does one; return what each gave."""
    if not wanted:
        return {}
    keyed = {_key(tx.keys, name, tx.now): name for name in wanted}
    taken = [
        {"key": key, "first": capacity - wanted[name], "count": wanted[name], "as_of": tx.now}
        for key, name in keyed.items()
    ]
    adding = _insert(tx).values(
        bucket_key=bindparam("key"), tokens=bindparam("first"), at=bindparam("as_of")
    )
    less = {"tokens": _TABLE.c.tokens - bindparam("count"), "at": bindparam("as_of")}
    tx.execute(adding.on_conflict_do_update(index_elements=[_TABLE.c.bucket_key], set_=less), taken)
    given, keys = {}, list(keyed)
    for start in range(0, len(keys), _AT_ONCE):
        some = _TABLE.c.bucket_key.in_(keys[start : start + _AT_ONCE])
        for key, left in tx.execute(select(_TABLE.c.bucket_key, _TABLE.c.tokens).where(some)):
            asked = wanted[keyed[key]]
            given[keyed[key]] = min(asked, max(0, asked + int(left)))
    return given


def for_form(settings: Settings, *, client: str, discussion: str = "") -> list[Bucket]:
    """Return the buckets that a form takes a token from: everybody's, a discussion's, a client's.

    `discussion` is empty for a form that is about none, `client` where all clients look alike.
    """
    limit = settings.forms_an_hour
    buckets = [Bucket(("forms",), limit)]
    if discussion:
        buckets.append(Bucket(("forms", "discussion", discussion), limit // 2))
    if client:
        buckets.append(Bucket(("forms", "client", client), limit // 10))
    return buckets


def look(tx: Transaction, buckets: Sequence[Bucket]) -> None:
    """Raise `TooManyForms` if a bucket is empty. It writes nothing: a flood costs no lock."""
    keyed = _keyed(buckets, tx.keys, tx.now)
    for key, tokens, at in tx.execute(select(_TABLE).where(_TABLE.c.bucket_key.in_(keyed))):
        keyed[key].refuse_if_empty(keyed[key].level(tokens, at, tx.now)[0])


def take_each(tx: Transaction, buckets: Sequence[Bucket]) -> None:
    """Take a token from each bucket, or raise `TooManyForms`: then nothing is to be kept.

    The rows stay locked until the transaction ends, so that nobody gets a token more.
    """
    keyed = _keyed(buckets, tx.keys, tx.now)
    left = []
    for key, tokens, at in _locked(tx, keyed):
        level, as_of = keyed[key].level(tokens, at, tx.now)
        keyed[key].refuse_if_empty(level)
        left.append({"key": key, "left": level - 1, "as_of": as_of})
    tx.execute(_TAKEN, left)


def breaker_is_open(tx: Transaction) -> bool:
    """Whether as many first letters as may have left in the last hour.

    Not whether one waits: that would tell who asks for a letter whether it is owed.
    """
    return outbox.rate_limited_left(tx, tx.settings.letters_an_hour) == 0


def forget(tx: Transaction) -> None:
    """Remove the buckets of other days: gone by, or ahead, where a wrong clock made them."""
    today = tx.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = today + timedelta(days=1)
    tx.execute(delete(Throttle).where(or_(Throttle.at < today, Throttle.at >= tomorrow)))


def _key(ring: KeyRing, name: Sequence[str], now: datetime) -> bytes:
    return ring.index("throttle", now.astimezone(UTC).date().isoformat(), *name)


def _keyed(buckets: Sequence[Bucket], ring: KeyRing, now: datetime) -> dict[bytes, Bucket]:
    return {_key(ring, bucket.name, now): bucket for bucket in buckets}


def _locked(tx: Transaction, keyed: Mapping[bytes, Bucket]) -> Sequence[Any]:
    """Return key, tokens and time of each bucket, made full where it is new, and lock them all."""
    full = [
        {"bucket_key": key, "tokens": bucket.capacity, "at": tx.now}
        for key, bucket in keyed.items()
    ]
    # On a row that is there already this changes nothing, but it locks and returns it.
    locking = _upsert(tx, {"tokens": _TABLE.c.tokens}, *_TABLE.c)
    return tx.execute(locking, full).all()


def _insert(tx: Transaction) -> Any:
    """Return an INSERT that knows ON CONFLICT. The dialect in use is imported already; naming both
    would import PostgreSQL's into every command."""
    return getattr(dialects, tx.get_bind().dialect.name).insert(_TABLE)


def _upsert(tx: Transaction, change: dict[str, Any], *returned: ColumnElement[Any]) -> Any:
    """Return an INSERT that makes `change` to a row that is there already."""
    adding = _insert(tx)
    return adding.on_conflict_do_update(
        index_elements=[_TABLE.c.bucket_key], set_=change
    ).returning(*returned)
