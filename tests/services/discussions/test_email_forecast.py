"""How many letters a change would owe: as many as it does."""

from registration.database import reading, writing
from registration.models import Discussion
from registration.services import catalog
from registration.services.discussions import cancellation, email_forecast
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
