"""Asking whoever is signed in again who they are, before what a stolen session must not do."""

from flask_wtf import FlaskForm

from ... import house
from ...database import writing
from ...services.organizers import authentication, passwords
from ..rate_limits import client
from . import cookies, organizer


def is_proven(typed: FlaskForm) -> bool:
    """Whether `password` and `code` of a form are right; checked as at the sign-in.

    Raises one of `limits.NOT_NOW`.
    """
    with writing() as session:
        ring = house.ring(session)
        authentication.try_from(session, client(), cookies.device(), ring=ring, now=house.now())
    kept = organizer().password_hash
    cost = house.password_cost()
    if not passwords.is_right(typed["password"].data, kept, cost) or kept is None:
        return False
    with writing() as session:
        ring, now = house.ring(session), house.now()
        return authentication.prove(
            session, organizer().id, kept, typed["code"].data, ring=ring, now=now
        )
