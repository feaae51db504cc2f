"""Limits what one address, one client, Tor and everybody together may cause, by token buckets in
the database.

A bucket's key is an HMAC of its name and the day (UTC), so that the table alone identifies nobody.
Somebody who also has the key ring could test a guessed address, so a day's buckets are deleted
when the day is over. Every day begins with full buckets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from .. import outbox
from ..config import Settings
from ..crypto.key_ring import KeyRing
from ..database import Transaction, table_of, upsert_into
from ..database.paging import batches
from ..models import BucketLevel
from ..refusals import N_, Refusal

# How long an empty bucket takes to fill.
REFILL_SPAN = timedelta(hours=1)
# Clocks of one installation differ by less. A wrong clock wrote any time further ahead.
MAX_CLOCK_SKEW = timedelta(minutes=1)
# Shares of FORMS_AN_HOUR and LETTERS_AN_HOUR, each as one in so many. A discussion gets a share of
# all registrations, and a client a share of what one discussion gets: so many clients at least
# have to flood its form until it is closed to others.
DISCUSSION_SHARE = 2
CLIENTS_TO_CLOSE_A_FORM = 5
CLIENT_LETTERS_SHARE = 10
# Visitors of the onion service cannot be told apart. Their forms have buckets of their own beside
# those of everybody else, so that neither can close a form to the other.
TOR_SHARE = 4
TOR_LETTERS_SHARE = 16
# So many forms with mistakes take as much as one without. A power of two adds up exactly.
MISTAKES_A_FORM = 8
_TABLE = table_of(BucketLevel)
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


class Form(StrEnum):
    """What a form is for. Each kind has buckets of its own, so that none starves another."""

    REGISTER = "register"
    FIND = "find"
    CHANGE = "change"


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

    def refuse_if_below(self, tokens: float, level: float) -> None:
        """Raise `TooManyForms` unless there are so many `tokens`."""
        if level < tokens:
            raise TooManyForms(REFILL_SPAN * ((tokens - level) / self.capacity))


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


def buckets_for_form(
    settings: Settings, form: Form, *, client: str, discussion: str = ""
) -> list[Bucket]:
    """Return the buckets from which a form takes: those of all forms of its kind, of its
    discussion, and of its sender.

    `discussion` is empty for a form without one. `client` is empty for requests from this machine:
    with an onion service these are Tor's; else there is no telling, and only the first two limit.
    """
    everybody = _bucket_of_all(settings, form, is_tor=_is_tor(settings, client))
    buckets = [everybody]
    if discussion:
        name = (*everybody.name, "discussion", discussion)
        buckets.append(Bucket(name, everybody.capacity // DISCUSSION_SHARE))
    return buckets + _buckets_of_sender(settings, form, client)


def buckets_for_mistake(settings: Settings, form: Form, *, client: str) -> list[Bucket]:
    """Return the bucket from which a form with mistakes takes: its sender's alone, so that it
    closes nothing to others."""
    if client:
        return [_bucket_of_client(settings, form, client)]
    if _is_tor(settings, client):
        return [_bucket_of_all(settings, form, is_tor=True)]
    return []


def refuse_if_empty(tx: Transaction, buckets: Sequence[Bucket]) -> None:
    """Raise `TooManyForms` if a bucket is empty. Writes nothing, so that a flood takes no locks."""
    for bucket, level in _levels(tx, buckets):
        bucket.refuse_if_below(1, level)


def has_tokens(tx: Transaction, buckets: Sequence[Bucket], tokens: float) -> bool:
    """Whether each bucket has `tokens`. Writes nothing, as above."""
    return all(level >= tokens for _bucket, level in _levels(tx, buckets))


def take_each(tx: Transaction, buckets: Sequence[Bucket], tokens: float = 1) -> None:
    """Take `tokens` from each bucket, or raise `TooManyForms`: then roll the transaction back.

    The rows stay locked until the transaction ends, so that concurrent callers get no extra token.
    """
    keyed = _keyed(buckets, tx.keys, tx.now)
    left = []
    for key, held, at in _locked(tx, keyed):
        level, as_of = keyed[key].level(held, at, tx.now)
        keyed[key].refuse_if_below(tokens, level)
        left.append({"key": key, "left": level - tokens, "as_of": as_of})
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
    tx.execute(delete(BucketLevel).where(or_(BucketLevel.at < today, BucketLevel.at >= tomorrow)))


def _levels(tx: Transaction, buckets: Sequence[Bucket]) -> list[tuple[Bucket, float]]:
    """Return each bucket from which was taken today, with its tokens now."""
    keyed = _keyed(buckets, tx.keys, tx.now)
    rows = tx.execute(select(_TABLE).where(_TABLE.c.bucket_key.in_(keyed)))
    return [(keyed[key], keyed[key].level(left, at, tx.now)[0]) for key, left, at in rows]


def _is_tor(settings: Settings, client: str) -> bool:
    """Whether a request comes from the onion service: Tor and this machine itself look alike."""
    return not client and settings.onion_url is not None


def _bucket_of_all(settings: Settings, form: Form, *, is_tor: bool) -> Bucket:
    if is_tor:
        return Bucket(("forms", form, "tor"), settings.forms_an_hour // TOR_SHARE)
    return Bucket(("forms", form), settings.forms_an_hour)


def _buckets_of_sender(settings: Settings, form: Form, client: str) -> list[Bucket]:
    if client:
        # Full at first and refilled within the hour, it gives twice as many in that hour.
        share = settings.letters_an_hour // CLIENT_LETTERS_SHARE
        return [_bucket_of_client(settings, form, client), Bucket(("first letters", client), share)]
    if _is_tor(settings, client):
        share = max(1, settings.letters_an_hour // TOR_LETTERS_SHARE)
        return [Bucket(("first letters", form, "tor"), share)]
    return []


def _bucket_of_client(settings: Settings, form: Form, client: str) -> Bucket:
    share = settings.forms_an_hour // DISCUSSION_SHARE // CLIENTS_TO_CLOSE_A_FORM
    return Bucket(("forms", form, "client", client), share)


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
