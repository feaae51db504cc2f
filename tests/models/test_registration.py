"""Registration: each rule says the same of a row in Python and in SQL."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import insert, select

from registration.database import reading, table_of, writing
from registration.models import REGISTERED, Registration, RegistrationStatus
from registration.services import catalog

from .. import builders

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES = {
    "status": Registration.status,
    "has_confirmed": Registration.has_confirmed,
    "is_withdrawn": Registration.is_withdrawn,
    "is_registered": Registration.is_registered,
    "has_seat": Registration.has_seat,
}
EARLIER, LATER = AT - timedelta(seconds=1), AT + timedelta(seconds=1)
TIMES = {
    "confirmed_at": (None, AT),
    "withdrawn_at": (None, AT),
    "seated_at": (None, AT),
    "seat_held_until": (None, EARLIER, AT, LATER),
}


@pytest.fixture
def everybody(app):
    """A row for each combination of the times that rules look at."""
    builders.publish()
    with writing() as tx:
        discussion_id = catalog.find_id(tx, "water")
        combinations = [dict(zip(TIMES, times, strict=True)) for times in product(*TIMES.values())]
        for number, times in enumerate(combinations):
            tx.execute(
                insert(table_of(Registration)).values(columns(number, discussion_id) | times)
            )
    return combinations


def columns(number: int, discussion_id: int) -> dict:
    unique = number.to_bytes(2)
    return {
        "public_id": f"{number:032x}", "discussion_id": discussion_id, "sealed": b"", "key_id": "",
        "address_index": unique, "token_hash": unique, "calendar_token_hash": unique,
        "registered_at": AT, "erase_at": AT, "calendar_sequence": 0,
        "told_revision": 0, "wants_follow_up": False,
    }  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_the_same_in_python_and_in_sql(everybody, rule):
    with reading() as tx:
        said = tx.execute(select(Registration, RULES[rule])).all()
    assert len(said) == len(everybody)
    assert [row[1] for row in said] == [getattr(row[0], rule) for row in said]


def test_a_seat_is_taken_at_a_moment_in_python_as_in_sql(everybody):
    with reading() as tx:
        # NULL counts as false in a WHERE.
        taken = set(tx.scalars(select(Registration.id).where(Registration.takes_seat(AT))))
        people = tx.scalars(select(Registration)).all()
    assert taken == {person.id for person in people if person.takes_seat(AT)}
    assert 0 < len(taken) < len(everybody)


@pytest.mark.parametrize("status", RegistrationStatus)
def test_a_status_selects_the_rows_that_have_it(everybody, status):
    with reading() as tx:
        selected = set(tx.scalars(select(Registration.id).where(Registration.status == status)))
        people = tx.scalars(select(Registration)).all()
    assert selected == {person.id for person in people if person.status is status}
    assert selected


def test_the_registered_are_those_with_a_seat_and_those_who_wait(everybody):
    with reading() as tx:
        people = tx.scalars(select(Registration)).all()
    assert all(person.is_registered == (person.status in REGISTERED) for person in people)
