"""How many letters a change would owe: as many as it does."""

import pytest

from registration.database import reading, writing
from registration.discussion_file import read
from registration.models import Discussion
from registration.services import catalog
from registration.services.discussions import cancellation, email_forecast, publication
from registration.services.registrations import self_service

from ... import builders
from ...machine import on_sqlite


def water(tx) -> Discussion:
    return catalog.find(tx, "water")


@on_sqlite
def test_as_many_are_foretold_as_cancelling_and_restoring_owe(app, clock):
    builders.publish(builders.file("address_confirmation = false\nseats = 1"))
    for name in ("first", "second", "third"):
        builders.register(address=f"{name}@example.org")
    builders.deliver()
    with writing() as tx:
        token = builders.attendee("first@example.org").token
        registration, _discussion = self_service.by_token(tx, token)
        self_service.withdraw(tx, registration)
    with reading() as tx:
        foretold = email_forecast.count_if_cancelled(tx, water(tx))
    with writing() as tx:
        assert cancellation.cancel(tx, "water", "A strike.") == foretold == 2
    # The letter of the seat that was freed is dropped: the discussion is off.
    builders.deliver()
    with reading() as tx:
        foretold = email_forecast.count_if_restored(tx, water(tx))
    with writing() as tx:
        assert cancellation.restore(tx, "water") == foretold == 1


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "owed"),
    [
        ("seats = 1\nlanguage = 'ru'", {"published": 0, "cancelled": 0, "unpublished": 0}),
        ("seats = 2", {"published": 1, "cancelled": 0, "unpublished": 1}),
        ("", {"published": 2, "cancelled": 0, "unpublished": 2}),
        (
            "seats = 1\nstarts = 2026-04-02T16:00:00",
            {"published": 3, "cancelled": 0, "unpublished": 3},
        ),
        (
            "seats = 1\nafterword = 'It was long.'",
            {"published": 1, "cancelled": 0, "unpublished": 1},
        ),
    ],
)
@pytest.mark.parametrize("state", ["published", "cancelled", "unpublished"])
def test_as_many_are_foretold_as_publishing_owes(app, clock, state, changes, owed):
    asks_nothing = "address_confirmation = false\n"
    builders.publish(builders.file(f"{asks_nothing}seats = 1"))
    for name in ("first", "second", "third"):
        builders.register(address=f"{name}@example.org", wants_follow_up=name == "first")
    with writing() as tx:
        if state == "cancelled":
            cancellation.cancel(tx, "water", "A strike.")
        if state == "unpublished":
            publication.unpublish(tx, "water")
    clock.advance(minutes=10)
    builders.deliver()
    announcement = read(builders.file(asks_nothing + changes))
    with reading() as tx:
        foretold = email_forecast.count_if_published(tx, water(tx), announcement)
    with writing() as tx:
        assert publication.publish(tx, announcement).letters == foretold == owed[state]
