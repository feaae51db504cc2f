"""Many people at once, and one address many times at once, in one process."""

import pytest

from registration.database import reading
from registration.models import Letter, Registration, RegistrationStatus
from registration.server import http_server
from registration.services.registrations import register

from .. import builders
from ..visitor import Visitor, form_of

pytestmark = pytest.mark.slow

FORM = "/discussions/water/register"


def opened_form(visitor: Visitor) -> tuple[str, dict[str, str]]:
    """Return the cookie and the hidden fields of a form that was opened a while ago."""
    page = visitor.client.get(FORM)
    visitor.clock.advance(seconds=10)
    return page.headers["Set-Cookie"].partition(";")[0], form_of(page.text)[1]


def send(app, cookie: str, fields: dict[str, str]) -> int:
    client = app.test_client(use_cookies=False)
    return client.post(FORM, data=fields, headers={"Cookie": cookie}).status_code


def test_one_address_two_hundred_times_at_once_is_one_registration(app, visitor):
    builders.publish()
    cookie, hidden = opened_form(visitor)
    typed = [hidden | {"name": f"A{n}", "email": "aigerim@example.org"} for n in range(200)]
    acts = [lambda one=one: send(app, cookie, one) for one in typed]
    statuses = builders.at_once(app, acts, http_server.THREADS)
    assert statuses == [303] * 200
    with reading() as tx:
        assert tx.query(Registration).count() == 1
        assert tx.query(Letter).count() == register.LETTERS_A_DAY
    assert builders.attendee().name in {one["name"] for one in typed}


def test_sixty_people_at_once_for_twenty_seats_seats_twenty(app, visitor):
    builders.publish(builders.file("seats = 20\naddress_confirmation = false"))
    cookie, hidden = opened_form(visitor)
    typed = [hidden | {"name": "A", "email": f"a{n}@example.org"} for n in range(60)]
    acts = [lambda one=one: send(app, cookie, one) for one in typed]
    assert builders.at_once(app, acts, http_server.THREADS) == [303] * 60
    with reading() as tx:
        everybody = tx.query(Registration).order_by(Registration.id).all()
    seated = [it for it in everybody if it.status is RegistrationStatus.CONFIRMED]
    waiting = [it for it in everybody if it.status is RegistrationStatus.WAITING]
    assert (len(seated), len(waiting)) == (20, 40)
    assert max(it.id for it in seated) < min(it.id for it in waiting), "the first have the seats"
    assert [it.queue_position for it in waiting] == list(range(1, 41))
