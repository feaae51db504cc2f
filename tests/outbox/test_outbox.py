"""Letters owed: posted with what they tell, claimed by one hand, marked, tried again."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from registration import app_context, outbox
from registration.database import reading, writing
from registration.models import Letter, LetterKind, LetterState, Registration
from registration.services.erasure import erasures
from registration.services.registrations import self_service
from registration.worker import letter_content

from .. import builders

KIND = LetterKind.LINK


@pytest.fixture
def registered(app):
    """The number of a registration that is owed nothing."""
    builders.publish()
    builders.register()
    with writing() as tx:
        tx.query(Letter).delete()
    return builders.registration_of().id


@pytest.fixture
def several(registered):
    """The numbers of three registrations that are owed nothing."""
    for name in ("bolat", "dina"):
        builders.register(address=f"{name}@example.org")
    with writing() as tx:
        tx.query(Letter).delete()
        return [number for (number,) in tx.query(Registration.id).order_by(Registration.id)]


def post(number, kind=KIND, times=1):
    means = {"revision": 1}
    for time in range(1, times + 1):
        with writing() as tx:
            outbox.post_all(tx, [number], kind, occasion=str(time), **means)


def claim(limit=50):
    with writing() as tx:
        return outbox.claim(tx, limit)


def letters():
    with reading() as tx:
        return list(outbox.every(tx))


def states():
    return [letter.state.value for letter in letters()]


def mark(how, letter, *values):
    with writing() as tx:
        return how(tx, letter, *values)


def change(address):
    with writing() as tx:
        token = builders.attendee().token
        self_service.change(tx, token, builders.entry(address))


def is_written(letter):
    with reading() as tx:
        return letter_content.compose(tx, letter) is not None


def test_each_posted_letter_is_owed_under_its_own_key(registered, clock):
    with writing() as tx:
        means = {"revision": 1}
        outbox.post(tx, registered, KIND, **means)
        outbox.post(tx, registered, KIND, **means)  # the one that waits is enough
        (first,) = outbox.claim(tx, 2)
        for kind in (KIND, LetterKind.CONFIRMATION):
            outbox.post(tx, registered, kind, **means)
        outbox.release(tx, first, "the server is away")
    first, second, third = letters()
    assert [letter.key for letter in (first, second, third)] == [
        f"link/{registered}/1",
        f"link/{registered}/2",
        f"confirmation/{registered}/1",
    ]
    assert len({letter.public_id for letter in letters()}) == 3
    assert (first.state, first.due_at, first.attempts) == (LetterState.OWED, clock.now, 0)


def test_a_letter_asked_for_again_does_not_wait_for_the_next_attempt(registered, clock):
    means = {"revision": 1}
    with writing() as tx:
        outbox.post(tx, registered, KIND, **means)
    (letter,) = claim()
    mark(outbox.mark_retry, letter, "450 later")
    assert claim() == []
    with writing() as tx:
        outbox.post(tx, registered, KIND, **means)
    assert [it.id for it in claim()] == [letter.id]


def test_nothing_is_owed_twice_under_one_key(registered):
    post(registered)
    (letter,) = letters()
    values = {"kind": KIND, "key": letter.key, "revision": 1, "public_id": "x"}
    values |= {
        "posted_at": app_context.now(),
        "due_at": app_context.now(),
        "registration_id": registered,
    }
    with pytest.raises(IntegrityError), writing() as tx:
        tx.add(Letter(**values))


def test_a_letter_posted_in_a_transaction_that_fails_is_not_owed(registered):
    def fail():
        with writing() as tx:
            outbox.post(tx, registered, KIND, revision=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert letters() == []


def test_a_letter_row_holds_nothing_personal(registered):
    post(registered)
    (row,) = builders.every_row()["letters"]
    person = builders.attendee()
    for word in (person.name, person.address, person.token, "aigerim"):
        assert word not in row


def test_claims_are_bounded_and_the_oldest_come_first(several, clock):
    first, second, third = several
    post(first)
    post(second)
    clock.advance(minutes=-1)
    post(third)
    clock.advance(minutes=1)
    assert [letter.id for letter in claim(2)] == [letters()[2].id, letters()[0].id]
    assert [letter.id for letter in claim(2)] == [letters()[1].id]
    assert claim(2) == []


def test_nobodys_letters_are_in_two_hands(several, clock):
    """Two hands at once would tell an attendee the same thing twice."""
    first, second, _third = several
    post(first, times=2)
    post(second)
    assert [letter.registration_id for letter in claim(1)] == [first]
    assert [letter.registration_id for letter in claim()] == [second]
    assert claim() == []
    clock.advance(seconds=outbox.LEASE.total_seconds())
    assert len(claim()) == 3


def test_a_letter_that_is_not_due_is_not_claimed(registered, clock):
    post(registered)
    with writing() as tx:
        tx.query(Letter).update({"due_at": clock.now + timedelta(minutes=1)})
    assert claim() == []
    with reading() as tx:
        assert outbox.has_due(tx) is False


def test_a_lease_ends_by_itself(registered, clock):
    post(registered)
    (first,) = claim()
    clock.advance(seconds=outbox.LEASE.total_seconds() - 1)
    assert claim() == []
    clock.advance(seconds=1)
    (second,) = claim()
    assert (second.id, second.public_id) == (first.id, first.public_id)


def test_a_worker_without_its_lease_marks_nothing(registered, clock):
    post(registered)
    (slow,) = claim()
    clock.advance(minutes=6)
    (quick,) = claim()
    mark(outbox.mark_failed, slow, "too late")
    mark(outbox.release, slow, "too late")
    assert mark(outbox.mark_sent, slow, "too late") is False
    assert states() == ["owed"]
    assert claim() == []
    assert mark(outbox.mark_sent, quick, "250") is True
    (letter,) = letters()
    assert (letter.state, letter.server_answer) == (LetterState.SENT, "250")
    assert (letter.attempts, letter.lease_until) == (1, None)


def test_claims_at_once_hand_each_letter_to_one(app, registered):
    for number in range(39):
        builders.register(address=f"a{number}@example.org")
    post(registered)
    claimed = builders.at_once(app, [lambda: [item.id for item in claim(7)]] * 8)
    flat = [number for numbers in claimed for number in numbers]
    assert sorted(flat) == sorted(set(flat))
    while more := claim(7):
        flat += [letter.id for letter in more]
    assert sorted(flat) == [letter.id for letter in letters()]


@pytest.mark.parametrize("instance", ["postgresql"], indirect=True)  # SQLite has one writer
def test_an_open_claim_hides_its_letters_from_another(app, registered):
    post(registered, times=3)
    with writing() as tx:
        first = [letter.id for letter in outbox.claim(tx, 2)]
        (second,) = builders.at_once(app, [lambda: [item.id for item in claim()]])
    assert (len(first), len(second)) == (2, 1)
    assert not set(first) & set(second)


def test_a_released_letter_is_due_again_untried(registered, clock):
    post(registered)
    (letter,) = claim()
    mark(outbox.release, letter, "the server is away")
    (again,) = claim()
    assert (again.attempts, again.due_at) == (0, clock.now)
    assert again.server_answer == "the server is away"


def test_a_letter_is_tried_again_ever_later_and_then_has_failed(registered, clock):
    post(registered)
    names, waits = set(), []
    while found := claim():
        names.add(found[0].public_id)
        mark(outbox.mark_retry, found[0], "450 later")
        (letter,) = letters()
        if letter.state is LetterState.OWED:
            waits.append(letter.due_at - clock.now)
            clock.now = letter.due_at - timedelta(seconds=1)
            assert claim() == []
            clock.now = letter.due_at
    assert len(names) == 1
    assert waits == sorted(waits) == outbox.RETRY_DELAYS
    assert sum(waits, timedelta()) > timedelta(days=2)
    assert (letter.state, letter.attempts) == (LetterState.FAILED, len(outbox.RETRY_DELAYS) + 1)
    assert letter.server_answer == "450 later"


@pytest.mark.parametrize("state", [LetterState.FAILED, LetterState.HELD, LetterState.OWED])
def test_retry_owes_a_letter_again_from_the_start(registered, clock, state):
    post(registered)
    with writing() as tx:
        due = clock.now + timedelta(days=1)
        tx.query(Letter).update({"state": state, "attempts": 9, "due_at": due})
    with writing() as tx:
        assert outbox.retry(tx, [letters()[0].id]) == 1
    (letter,) = claim()
    assert (letter.attempts, letter.state) == (0, LetterState.OWED)


@pytest.mark.parametrize("state", [LetterState.SENT, LetterState.DROPPED])
def test_retry_leaves_sent_and_outdated_letters(registered, clock, state):
    post(registered)
    with writing() as tx:
        tx.query(Letter).update({"state": state})
    with writing() as tx:
        assert outbox.retry(tx, [letters()[0].id, 999]) == 0
    assert states() == [state.value]


def test_a_held_letter_is_not_claimed(registered):
    post(registered)
    with writing() as tx:
        tx.query(Letter).update({"state": LetterState.HELD})
    assert claim() == []


def test_a_letter_in_hand_whose_registration_is_erased_marks_nothing(registered, clock):
    post(registered)
    (letter,) = claim()
    with writing() as tx:
        registration = tx.get(Registration, registered)
        erasures.erase(tx, registration, letters=None)
    assert is_written(letter) is False
    assert mark(outbox.mark_sent, letter, "250") is False
    assert letters() == []


def test_a_second_change_of_address_drops_the_letter_about_the_first(registered):
    builders.confirm()
    with writing() as tx:
        tx.query(Letter).delete()
    change("first@example.org")
    change("second@example.org")
    assert states() == ["dropped", "owed"]


def test_a_claimed_letter_about_a_change_is_not_sent_to_another_address(registered):
    builders.confirm()
    with writing() as tx:
        tx.query(Letter).delete()
    change("first@example.org")
    (letter,) = claim()
    assert is_written(letter) is True
    change("second@example.org")
    assert is_written(letter) is False
    mark(outbox.mark_dropped, letter)
    assert states() == ["dropped", "owed"]


def test_repeated_changes_of_address_send_nobody_more_than_three_letters(app):
    builders.publish()
    person = builders.register_and_confirm()
    builders.deliver()
    for number in range(8):
        for address in (f"mine{number}@example.org", "victim@example.net"):
            with writing() as tx:
                self_service.change(tx, person.token, builders.entry(address))
        builders.deliver()
    letters = [letter for letter in builders.kept_letters(app) if "victim" in letter["To"]]
    assert 1 <= len(letters) <= 3


def test_a_withdrawal_is_told_although_the_form_was_sent_again(app, clock):
    builders.publish()
    person = builders.register_and_confirm()
    builders.deliver()
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)
    builders.register()
    clock.advance(seconds=2)
    builders.deliver()
    methods = [
        part.get_param("method")
        for letter in builders.kept_letters(app)
        for part in letter.walk()
        if part.get_content_type() == "text/calendar"
    ]
    assert methods == ["REQUEST", "CANCEL"]
