"""Password and code again, before an act that a stolen session must not do."""

from flask_wtf import FlaskForm

from ... import app_context
from ...database import writing
from ...services.organizers import authentication, passwords
from ..rate_limits import client
from . import cookies
from .access import organizer


def is_proven(typed: FlaskForm) -> bool:
    """Whether `password` and `code` of a form are right; checked as at the sign-in.

    Raises one of `rate_limits.NOT_NOW`.
    """
    with writing() as tx:
        authentication.take_try(tx, client(), cookies.device())
    kept = organizer().password_hash
    cost = app_context.password_cost()
    if not passwords.is_right(typed["password"].data, kept, cost) or kept is None:
        return False
    with writing() as tx:
        return authentication.verify(tx, organizer().id, kept, typed["code"].data)
