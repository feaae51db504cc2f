"""A clock that was ahead for a while and has been set right: no letter waits for wrong times."""

from datetime import timedelta

import pytest

from registration import outbox
from registration.database import reading, writing
from registration.models import Letter, LetterKind, LetterState

from .. import builders

AHEAD = [{"minutes": 30}, {"hours": 10}, {"days": 400}]


@pytest.fixture
def registered(app):
    """The number of a registration that is owed nothing."""
    builders.publish()
    builders.register()
    with writing() as tx:
        tx.query(Letter).delete()
    return builders.registration_of().id


def post(number):
    with writing() as tx:
        kind = LetterKind.CONFIRMATION
        outbox.post(tx, number, kind, revision=1)


def claim():
    with reading() as tx:
        is_due = outbox.has_due(tx)
    with writing() as tx:
        letters = outbox.claim(tx, 50)
    assert is_due == bool(letters), "both ask the same"
    return letters


def put_off(letter):
    with writing() as tx:
        outbox.mark_retry(tx, letter, "451 later")


def stands():
    with reading() as tx:
        return [(letter.state, letter.attempts) for letter in outbox.every(tx)]


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_letter_posted_then_is_due_now(registered, clock, ahead):
    right = clock.now
    clock.advance(**ahead)
    post(registered)
    clock.now = right
    (letter,) = claim()
    with writing() as tx:
        assert outbox.mark_sent(tx, letter, "250 OK")
    assert claim() == []


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("is_posted_before", [True, False])
def test_a_letter_deferred_under_a_wrong_clock_is_due_now(
    registered, clock, ahead, is_posted_before
):
    right = clock.now
    if is_posted_before:
        post(registered)
    clock.advance(**ahead)
    if not is_posted_before:
        post(registered)
    put_off(*claim())
    clock.now = right
    for delay in outbox.RETRY_DELAYS[1:]:
        put_off(*claim())
        clock.now += delay - timedelta(seconds=1)
        assert claim() == []
        clock.advance(seconds=1)
    assert stands() == [(LetterState.OWED, len(outbox.RETRY_DELAYS))]


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_letter_claimed_under_a_wrong_clock_is_due_now(registered, clock, ahead):
    post(registered)
    right = clock.now
    clock.advance(**ahead)
    assert len(claim()) == 1
    assert claim() == []
    clock.now = right
    assert len(claim()) == 1
    assert claim() == []


def test_a_worker_with_a_slow_clock_takes_no_claimed_letter(registered, clock):
    post(registered)
    clock.advance(minutes=1)
    (letter,) = claim()
    clock.advance(minutes=-1)
    assert claim() == []
    clock.advance(minutes=1)
    put_off(letter)
    clock.advance(minutes=-1)
    assert claim() == []
