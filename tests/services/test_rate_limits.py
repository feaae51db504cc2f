"""The limits: so many a day, counted exactly, also when asked at once, and nothing to read."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from registration import app_context
from registration.database import reading, writing
from registration.models import Throttle
from registration.services import rate_limits
from registration.services.rate_limits import Bucket, TooManyForms

from .. import builders
from ..machine import on_sqlite


def take(*bucket: str) -> bool:
    with writing() as tx:
        return rate_limits.take(tx, *bucket, capacity=3)


def test_take_allows_three_a_day_and_the_next_day_again(app, clock):
    assert [take("letters", "a@example.org") for _ in range(5)] == [True, True, True, False, False]
    clock.advance(hours=11)
    assert not take("letters", "a@example.org"), "it is still the same day"
    clock.advance(hours=1)
    assert [take("letters", "a@example.org") for _ in range(4)] == [True, True, True, False]


@on_sqlite
def test_take_counts_every_bucket_apart(app):
    for _ in range(3):
        take("letters", "water", "a@example.org")
    assert not take("letters", "water", "a@example.org")
    assert take("letters", "water", "b@example.org")
    assert take("letters", "air", "a@example.org")
    assert take("find", "water", "a@example.org")
    assert take("letters", "watera@example.org"), "the parts are not just joined"


def test_take_allows_no_more_when_asked_at_once(app):
    taken = builders.at_once(app, [lambda: take("find", "a@example.org")] * 12)
    assert sorted(taken) == [False] * 9 + [True] * 3


@on_sqlite
def test_a_bucket_tells_nothing_without_the_keys(app, clock):
    take("letters", "a@example.org")
    clock.advance(days=1)
    take("letters", "a@example.org")
    with reading() as tx:
        keys = [row.bucket_key for row in tx.query(Throttle)]
    assert len(set(keys)) == 2, "the key of one day is not the key of the next"
    assert all(len(key) == 32 and b"example" not in key for key in keys)


def test_forget_removes_buckets_of_earlier_days(app, clock):
    take("letters", "a@example.org")
    clock.advance(days=1)
    take("letters", "a@example.org")
    with writing() as tx:
        rate_limits.delete_old_buckets(tx)
    with reading() as tx:
        assert [row.at for row in tx.query(Throttle)] == [app_context.now()]


SIX = Bucket(("six",), 6)  # one flows in every ten minutes
TWO = Bucket(("two",), 2)


def wait_for(*buckets: Bucket) -> timedelta:
    """Take a token from each bucket; return how long to wait where that is refused, else 0."""
    try:
        with writing() as tx:
            rate_limits.take_each(tx, buckets)
    except TooManyForms as refusal:
        return refusal.wait
    return timedelta()


def look(*buckets: Bucket) -> timedelta:
    try:
        with reading() as tx:
            rate_limits.refuse_if_empty(tx, buckets)
    except TooManyForms as refusal:
        return refusal.wait
    return timedelta()


def taken(bucket: Bucket, tries: int = 20) -> int:
    return [wait_for(bucket) for _ in range(tries)].count(timedelta())


def test_a_bucket_gives_its_tokens_and_then_the_inflow(app, clock):
    assert taken(SIX) == 6
    assert wait_for(SIX) == timedelta(minutes=10)
    clock.advance(minutes=4)
    assert wait_for(SIX) == timedelta(minutes=6)
    clock.advance(minutes=6)
    assert taken(SIX) == 1
    clock.advance(minutes=35)
    assert taken(SIX) == 3
    assert wait_for(SIX) == timedelta(minutes=5), "half a token is kept"
    clock.advance(hours=8)
    assert taken(SIX) == 6, "it holds no more than it can"


@on_sqlite
def test_the_wait_that_is_told_is_exact(app, clock):
    bucket = Bucket(("seven",), 7)
    assert taken(bucket) == 7
    wait = wait_for(bucket)
    clock.now += wait - timedelta(milliseconds=1)
    assert wait_for(bucket) > timedelta()
    clock.advance(milliseconds=2)
    assert wait_for(bucket) == timedelta()


def test_where_one_bucket_is_empty_none_loses_a_token(app):
    assert [wait_for(SIX, TWO) > timedelta() for _ in range(9)] == [False] * 2 + [True] * 7
    assert taken(SIX) == 4


def test_a_look_takes_nothing_and_says_the_same(app, clock):
    before = builders.every_row()
    assert look(SIX, TWO) == timedelta()
    assert builders.every_row() == before
    taken(TWO)
    clock.advance(minutes=12)
    before = builders.every_row()
    assert look(SIX, TWO) == wait_for(SIX, TWO) == timedelta(minutes=18)
    assert builders.every_row() == before


def test_concurrent_requests_get_no_token_more(app, clock):
    def count() -> int:
        return builders.at_once(app, [lambda: wait_for(SIX, TWO)] * 12).count(timedelta())

    assert count() == 2
    clock.advance(hours=3)
    assert count() == 2
    assert taken(SIX) == 4


def test_a_request_waits_until_another_transaction_has_settled(app):
    def take_one() -> timedelta:
        with app.app_context():
            return wait_for(TWO)

    def hold_the_last(*, keep: bool) -> Future:
        with writing() as tx:
            rate_limits.take_each(tx, [TWO])
            other = pool.submit(take_one)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.3)
            if not keep:
                tx.rollback()
        return other

    assert taken(TWO, 1) == 1
    with ThreadPoolExecutor(1) as pool:
        assert hold_the_last(keep=False).result() == timedelta()
    with writing() as tx:
        tx.query(Throttle).update({"tokens": 1})
    with ThreadPoolExecutor(1) as pool:
        assert hold_the_last(keep=True).result() == timedelta(minutes=30)


def test_an_earlier_reading_of_the_clock_earns_no_tokens(app, clock):
    one_a_minute, count = Bucket(("one a minute",), 60), 0
    for _ in range(35):
        for seconds in (-59, 59):
            clock.advance(seconds=seconds)
            count += taken(one_a_minute, 1)
    assert count == 60


def test_a_clock_that_was_ahead_shuts_nobody_out(app, clock):
    clock.advance(hours=6)
    assert taken(SIX) == 6
    clock.advance(hours=-6)
    assert look(SIX) == timedelta()
    assert taken(SIX) == 6


@on_sqlite
def test_a_new_day_begins_with_full_buckets_under_new_keys(app, clock):
    clock.now = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    assert taken(SIX) == 6
    clock.advance(seconds=1)
    assert taken(SIX) == 6
    with reading() as tx:
        assert tx.query(Throttle).count() == 2


@on_sqlite
def test_a_form_takes_tokens_of_installation_discussion_and_client(app):
    def capacities(**who: str) -> list[int]:
        return [it.capacity for it in rate_limits.buckets_for_form(app_context.settings(), **who)]

    assert capacities(client="192.0.2.1", discussion="a@example.org") == [4000, 2000, 400]
    assert capacities(client="192.0.2.1") == [4000, 400]
    assert capacities(client="", discussion="a@example.org") == [4000, 2000]
    names = [
        bucket.name
        for client in ("192.0.2.1", "192.0.2.2")
        for bucket in rate_limits.buckets_for_form(
            app_context.settings(), client=client, discussion="192.0.2.1"
        )
    ]
    assert len(set(names)) == 4
