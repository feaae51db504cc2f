"""The limits: so many a day, counted exactly, also when asked at once, and nothing to read."""

from registration import house
from registration.database import reading, writing
from registration.models import Throttle
from registration.services import throttling

from .. import builders
from ..machine import on_sqlite


def take(*bucket: str) -> bool:
    with writing() as session:
        return throttling.take(session, *bucket, capacity=3, ring=builders.ring(), now=house.now())


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
    with reading() as session:
        keys = [row.bucket_key for row in session.query(Throttle)]
    assert len(set(keys)) == 2, "the key of one day is not the key of the next"
    assert all(len(key) == 32 and b"example" not in key for key in keys)


def test_forget_removes_what_is_not_of_today(app, clock):
    take("letters", "a@example.org")
    clock.advance(days=1)
    take("letters", "a@example.org")
    with writing() as session:
        throttling.forget(session, now=house.now())
    with reading() as session:
        assert [row.at for row in session.query(Throttle)] == [house.now()]
