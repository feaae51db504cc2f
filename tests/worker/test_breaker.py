"""The letters' breaker: so many first letters leave in an hour, the others wait, none is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from registration import outbox
from registration.database import reading, writing
from registration.models import Letter, LetterKind, LetterState
from registration.services import rate_limits
from registration.services.registrations import self_service
from registration.worker import loop

from .. import builders

LIMIT = 10
TOLD = (
    "letters to addresses that anybody could have typed wait in the outbox: LETTERS_AN_HOUR lets "
    "10 leave in an hour."
)


@pytest.fixture
def app(app_with, mail_server):
    """The service, with letters sent to the mail server: ten first letters an hour."""
    app = app_with(LETTERS_AN_HOUR=LIMIT)
    mail_server.take_letters_of(app)
    with app.app_context():
        builders.publish()
        yield app


def people(count, start=0):
    return [f"person{number}@example.net" for number in range(start, start + count)]


def owe(*addresses):
    for address in addresses:
        builders.register(address=address)


def recipients(server):
    return [message["To"] for message in server.messages]


def owed():
    with reading() as tx:
        return tx.query(Letter).filter_by(state=LetterState.OWED).count()


def is_open():
    with reading() as tx:
        return rate_limits.breaker_is_open(tx)


def confirm(*addresses):
    for address in addresses:
        builders.confirm(address)


def test_first_letters_beyond_the_hourly_limit_leave_later_in_order(app, clock, mail_server):
    owe(*people(7))
    assert loop.deliver_due() == 7
    clock.advance(minutes=20)
    owe(*people(18, start=7))
    assert not is_open()
    assert loop.deliver_due() == 3
    assert is_open()
    clock.advance(minutes=40)
    assert loop.deliver_due() == 0, "the first seven left within the last hour, to the minute"
    clock.advance(minutes=1)
    assert loop.deliver_due() == 7
    clock.advance(minutes=20)
    assert loop.deliver_due() == 3
    assert owed() == 5
    clock.advance(hours=1, minutes=1)
    assert loop.deliver_due() == 5
    assert recipients(mail_server) == people(25)
    assert not is_open()


def test_other_letters_are_never_held_up(app, clock, mail_server):
    owe(*people(12))
    assert loop.deliver_due() == 10
    confirm(*people(4))
    clock.advance(minutes=1)
    with writing() as tx:
        registration, _ = self_service.by_token(tx, builders.attendee(people(1)[0]).token)
        self_service.withdraw(tx, registration)
    before = len(mail_server.messages)
    assert loop.deliver_due() == 4
    subjects = {message["Subject"].partition(":")[0] for message in mail_server.messages[before:]}
    assert subjects == {"You are registered", "You have withdrawn"}


@pytest.mark.parametrize("kind", list(LetterKind))
@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_every_kind_that_anybody_can_cause_counts_and_no_other(app, kind):
    owe(*people(12))
    with writing() as tx:
        tx.query(Letter).update({"kind": kind})
        claimed = outbox.claim(tx, 50, max_limited=LIMIT)
    caused_by_anybody = {"address_confirmation", "already_registered", "link", "address_change"}
    assert len(claimed) == (10 if kind.value in caused_by_anybody else 12)


def test_a_deferred_or_refused_letter_counts_only_once_sent(app, clock, mail_server):
    owe(*people(14))
    mail_server.refusals["RCPT"] = {
        "person0@example.net": "451 later",
        "person1@example.net": "550 no such user",
    }.get
    assert loop.deliver_due() == 10
    mail_server.refusals.clear()
    assert owed() == 3
    clock.advance(hours=1, minutes=1)
    assert loop.deliver_due() == 3
    assert sorted(recipients(mail_server)) == sorted(set(people(14)) - {"person1@example.net"})


def test_workers_at_once_send_no_more_together(app, mail_server):
    owe(*people(20))
    accepted = builders.at_once(app, [loop.deliver_due] * 6)
    assert sum(accepted) == LIMIT
    assert len(set(recipients(mail_server))) == len(mail_server.messages) == LIMIT


def test_a_worker_waits_until_another_has_claimed_and_then_counts_those_too(app):
    def claim():
        with app.app_context():
            return loop._claim()

    owe(*people(15))
    with ThreadPoolExecutor(1) as pool:
        with writing() as tx:
            first = outbox.rate_limited_left(tx, LIMIT)
            assert len(outbox.claim(tx, 50, max_limited=first)) == 10
            other = pool.submit(claim)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        assert other.result() == []


def test_letters_claimed_by_a_dead_worker_count_until_its_lease_ends(app, clock):
    owe(*people(15))
    assert len(loop._claim()) == 10
    assert loop._claim() == []
    clock.advance(seconds=outbox.LEASE.total_seconds())
    assert len(loop._claim()) == 10


def test_the_operator_is_told_once_an_hour_how_many_wait(app, clock, caplog):
    owe(*people(25))
    for _ in range(5):
        loop.deliver_due()
        clock.advance(minutes=10)
    assert [record.getMessage() for record in caplog.records] == [f"15 {TOLD}"]
    for _ in range(4):
        clock.advance(minutes=11)
        loop.deliver_due()
    assert [record.getMessage() for record in caplog.records] == [f"15 {TOLD}", f"5 {TOLD}"]


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_a_worker_writes_nothing_while_letters_wait(app, clock):
    owe(*people(12))
    loop.deliver_due()
    with writing():
        assert builders.at_once(app, [loop.deliver_due]) == [0]


def test_a_clock_that_was_ahead_holds_no_letter_up(app, clock, mail_server):
    clock.advance(days=2)
    owe(*people(10))
    assert loop.deliver_due() == 10
    owe(*people(8, start=10))
    clock.advance(days=-2)
    owe(*people(2, start=18))
    assert loop.deliver_due() == 10
    assert sorted(recipients(mail_server)) == sorted(people(20))
