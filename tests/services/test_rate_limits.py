"""The limits: so many a day, counted exactly, also when asked at once, and nothing to read."""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import ceil
from pathlib import Path

import pytest

from registration import app_context
from registration.config import Settings, load
from registration.database import reading, writing
from registration.models import BucketLevel
from registration.services import rate_limits
from registration.services.rate_limits import Bucket, Form, TooManyForms

from .. import builders
from ..machine import on_sqlite

SECURITY = (Path(__file__).parent.parent.parent / "SECURITY.md").read_text()
ONION = f"http://{'a' * 56}.onion"


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
        keys = [row.bucket_key for row in tx.query(BucketLevel)]
    assert len(set(keys)) == 2, "the key of one day is not the key of the next"
    assert all(len(key) == 32 and b"example" not in key for key in keys)


def test_forget_removes_buckets_of_earlier_days(app, clock):
    take("letters", "a@example.org")
    clock.advance(days=1)
    take("letters", "a@example.org")
    with writing() as tx:
        rate_limits.delete_old_buckets(tx)
    with reading() as tx:
        assert [row.at for row in tx.query(BucketLevel)] == [app_context.now()]


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
        tx.query(BucketLevel).update({"tokens": 1})
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
        assert tx.query(BucketLevel).count() == 2


def test_a_part_of_a_token_is_taken_exactly_and_refused_below_it(app, clock):
    def take_part() -> timedelta:
        try:
            with writing() as tx:
                rate_limits.take_each(tx, [TWO], 1 / rate_limits.MISTAKES_A_FORM)
        except TooManyForms as refusal:
            return refusal.wait
        return timedelta()

    assert [take_part() for _ in range(8)] == [timedelta()] * 8
    assert taken(TWO, 2) == 1, "eight parts are one token"
    assert take_part() == timedelta(minutes=30) / 8


def settings_with(**settings: object) -> Settings:
    return load({}, {"INSTANCE": "/nowhere", **settings})


def buckets(settings: Settings, client: str = "192.0.2.1", form: Form = Form.REGISTER) -> list:
    return rate_limits.buckets_for_form(settings, form, client=client, discussion="a@example.org")


def test_a_form_takes_tokens_of_its_kind_its_discussion_and_its_sender():
    def capacities(settings: Settings, client: str) -> list[int]:
        return [bucket.capacity for bucket in buckets(settings, client)]

    assert capacities(settings_with(), "192.0.2.1") == [4000, 2000, 400, 200]
    assert capacities(settings_with(), "") == [4000, 2000]
    assert capacities(settings_with(ONION_URL=ONION), "192.0.2.1") == [4000, 2000, 400, 200]
    assert capacities(settings_with(ONION_URL=ONION), "") == [1000, 500, 125]


def test_forms_of_two_kinds_share_only_the_letters_of_a_client():
    def names(client: str, form: Form) -> set[tuple[str, ...]]:
        return {bucket.name for bucket in buckets(settings_with(ONION_URL=ONION), client, form)}

    for form, other in combinations(Form, 2):
        shared = names("192.0.2.1", form) & names("192.0.2.1", other)
        assert shared == {("first letters", "192.0.2.1")}
        assert names("", form) & names("", other) == set()


def test_tor_and_everybody_else_share_no_bucket():
    settings = settings_with(ONION_URL=ONION)

    def names(client: str) -> set[tuple[str, ...]]:
        mistaken = [rate_limits.buckets_for_mistake(settings, form, client=client) for form in Form]
        taken = [buckets(settings, client, form) for form in Form]
        return {bucket.name for some in mistaken + taken for bucket in some}

    assert names("") & names("192.0.2.1") == set()


@pytest.mark.parametrize("forms", [10, 11, 19, 99, 4000, 1_000_000])
@pytest.mark.parametrize("letters", [10, 19, 2000, 1_000_000])
@pytest.mark.parametrize("onion", [None, ONION])
def test_as_many_networks_are_needed_to_close_a_form_as_the_page_on_security_says(
    forms, letters, onion
):
    """The figure follows from the capacities: what a discussion gets, and what one client gets."""
    settings = settings_with(FORMS_AN_HOUR=forms, LETTERS_AN_HOUR=letters, ONION_URL=onion)
    own = [it for it in buckets(settings) if "192.0.2.1" in it.name]
    shared = [it for it in buckets(settings) if it not in own]
    assert len(own) == len(shared) == 2
    most_of_one = min(bucket.capacity for bucket in own)
    assert most_of_one >= 1, "every client can send a form"
    needed = min(ceil(bucket.capacity / most_of_one) for bucket in shared)
    assert needed >= rate_limits.CLIENTS_TO_CLOSE_A_FORM
    said = re.search(r"from at least (\w+) networks", SECURITY)
    assert said[1] == {5: "five"}[rate_limits.CLIENTS_TO_CLOSE_A_FORM]


@pytest.mark.parametrize("letters", [10, 2000, 1_000_000])
def test_one_client_and_tor_cause_only_a_share_of_the_first_letters_of_an_hour(letters):
    settings = settings_with(LETTERS_AN_HOUR=letters, FORMS_AN_HOUR=1_000_000, ONION_URL=ONION)

    def most(client: str) -> int:
        """Return how many letters the three kinds of forms can cause within an hour: what is in
        the buckets, and what flows back meanwhile."""
        named = {
            bucket.name: bucket.capacity
            for form in Form
            for bucket in buckets(settings, client, form)
            if bucket.name[0] == "first letters"
        }
        return 2 * sum(named.values())

    assert 1 <= most("192.0.2.1") <= letters / 5
    assert 1 <= most("") <= letters * 3 / 5
