"""With AT_RISK an organizer's browser forgets the session when it ends, and itself in a month."""

from datetime import timedelta

import pytest

from registration.web.organizer import cookies

from .. import desk
from ..desk import Desk
from ..machine import on_sqlite


def cookies_of(asel: Desk) -> tuple:
    """Sign in by the form; return the cookies of the session and of the browser."""
    assert asel.sign_in().status_code == 303
    return asel.client.get_cookie("organizer"), asel.client.get_cookie("organizer-device")


def is_known(asel: Desk, app) -> bool:
    """Whether the browser counts as one in which somebody has signed in before."""
    value = asel.client.get_cookie("organizer-device").value
    with app.test_request_context(headers={"Cookie": f"organizer-device={value}"}):
        return bool(cookies.device())


@on_sqlite
def test_at_risk_the_session_ends_with_the_browser(at_risk, clock):
    session, device = cookies_of(desk.signed_in(at_risk, clock))
    assert (session.max_age, session.expires) == (None, None)
    assert device.max_age == 30 * 24 * 3600


@on_sqlite
def test_elsewhere_it_ends_after_twelve_hours(app, clock):
    session, device = cookies_of(desk.signed_in(app, clock))
    assert session.max_age == 12 * 3600
    assert device.max_age == 365 * 24 * 3600


@on_sqlite
@pytest.mark.parametrize(("days", "is_there"), [(29, True), (31, False)])
def test_at_risk_a_browser_is_known_for_thirty_days(at_risk, clock, days, is_there):
    asel = desk.signed_in(at_risk, clock)
    cookies_of(asel)
    clock.advance(days=days)
    assert is_known(asel, at_risk) is is_there


@on_sqlite
def test_each_sign_in_starts_the_thirty_days_anew(at_risk, clock):
    asel = desk.signed_in(at_risk, clock)
    cookies_of(asel)
    clock.advance(days=29)
    cookies_of(asel)
    clock.advance(days=29)
    assert is_known(asel, at_risk)


@on_sqlite
def test_switched_on_the_marks_of_a_year_are_not_taken_any_more(app, app_with, clock):
    asel = desk.signed_in(app, clock)
    cookies_of(asel)
    clock.now += timedelta(days=40)
    assert is_known(asel, app)
    secret, risky = app.secret_key, app_with(AT_RISK=True)
    risky.secret_key = secret
    assert not is_known(asel, risky)
