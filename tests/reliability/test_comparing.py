"""The comparison of what clients were told with what is stored and arrived can fail."""

from collections import Counter

import pytest

from registration import app_context
from registration.database import reading, writing
from registration.models import Letter, Registration

from .. import builders
from ..machine import on_sqlite
from .clients import Ledger
from .comparing import LOST, NO_LETTER, RENAMED, TOO_MANY, UNASKED, UNDELIVERED, compare

pytestmark = on_sqlite
AIGERIM, BOLAT = "aigerim@example.org", "bolat@example.org"


@pytest.fixture
def registered(app) -> tuple[Ledger, Counter]:
    """A ledger and a mail server's record of one confirmed registration, Aigerim's."""
    builders.publish()
    builders.register(address=AIGERIM)
    builders.deliver()
    builders.confirm(AIGERIM)
    builders.deliver()
    with reading() as tx:
        arrived = Counter(
            (AIGERIM, letter.message_id(tx.keys, tx.settings.host)) for letter in tx.query(Letter)
        )
    return Ledger(Counter([AIGERIM]), {AIGERIM}, {AIGERIM}, {AIGERIM}), arrived


def mistakes(ledger: Ledger, arrived: Counter) -> set[str]:
    found = compare(ledger, arrived)
    assert found.is_sound == (not any(found.mistakes.values()))
    return {name for name, count in found.mistakes.items() if count}


def test_a_true_record_is_sound_even_if_a_letter_came_twice(registered):
    ledger, arrived = registered
    assert mistakes(ledger, arrived) == set()
    assert compare(ledger, arrived + arrived).resent == 2


def test_it_finds_an_acknowledged_registration_that_is_not_stored(registered):
    ledger, arrived = registered
    ledger.asked[BOLAT] += 1
    assert mistakes(ledger, arrived) == set()
    ledger.acked.add(BOLAT)
    assert mistakes(ledger, arrived) == {LOST}


def test_it_finds_a_confirmation_that_is_not_stored(registered):
    ledger, arrived = registered
    with writing() as tx:
        tx.query(Registration).update({"confirmed_at": None})
    assert mistakes(ledger, arrived) == {LOST}


def test_it_finds_a_registration_that_nobody_asked_for(registered):
    ledger, arrived = registered
    ledger.asked.clear()
    ledger.acked.clear()
    assert mistakes(ledger, arrived) == {UNASKED, TOO_MANY}


def test_it_finds_a_registration_without_its_letter(registered):
    ledger, _arrived = registered
    with writing() as tx:
        tx.query(Letter).delete()
    assert mistakes(ledger, Counter()) == {NO_LETTER}


def test_it_finds_a_letter_that_never_came(registered):
    ledger, _arrived = registered
    assert mistakes(ledger, Counter()) == {UNDELIVERED}


def test_it_finds_a_letter_under_another_name(registered):
    ledger, arrived = registered
    arrived[AIGERIM, "<another@example.org>"] += 1
    assert mistakes(ledger, arrived) == {RENAMED}


def test_it_finds_a_letter_that_is_still_owed(registered):
    ledger, arrived = registered
    with writing() as tx:
        tx.query(Letter).update({"state": "owed", "due_at": app_context.now()})
    assert mistakes(ledger, arrived) == {UNDELIVERED}
