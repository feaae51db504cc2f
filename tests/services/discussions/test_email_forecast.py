"""How many letters a change would owe: as many as it does."""

from registration import house
from registration.database import reading, writing
from registration.models import Discussion
from registration.services import catalog
from registration.services.discussions import cancellation, email_forecast
from registration.services.registrations import self_service

from ... import builders
from ...machine import on_sqlite


def water(session) -> Discussion:
    return catalog.find(session, "water")


@on_sqlite
def test_as_many_are_foretold_as_cancelling_and_restoring_owe(app, clock):
    builders.publish(builders.file("address_confirmation = false\nseats = 1"))
    for name in ("first", "second", "third"):
        builders.register(address=f"{name}@example.org")
    builders.deliver()
    means = {"settings": house.settings(), "now": clock.now}
    with writing() as session:
        token = builders.attendee("first@example.org").token
        registration, _discussion = self_service.by_token(session, token)
        self_service.withdraw(session, registration, **house.means(session))
    with reading() as session:
        foretold = email_forecast.cancelled(session, water(session), now=clock.now)
    with writing() as session:
        assert cancellation.cancel(session, "water", "A strike.", **means) == foretold == 2
    # The letter of the seat that was freed is dropped: the discussion is off.
    builders.deliver()
    with reading() as session:
        foretold = email_forecast.restored(session, water(session), now=clock.now)
    with writing() as session:
        assert cancellation.restore(session, "water", **means) == foretold == 1
