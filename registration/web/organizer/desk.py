"""The desk's blueprints in one list, below one that asks for a sign-in."""

from flask import Blueprint, Flask
from werkzeug.exceptions import MethodNotAllowed

from . import (
    attendee,
    attendees,
    audit_log,
    discussions,
    draft_review,
    edit,
    exports,
    imports,
    mailing,
    mailings,
    password,
    sign_in,
    status_changes,
)
from .access import PREFIX, ask_to_sign_in, not_allowed


def init_app(app: Flask) -> None:
    """Give `app` the desk."""
    desk = Blueprint("organizer", __name__, url_prefix=PREFIX)
    desk.before_request(ask_to_sign_in)
    for module in (
        attendee,
        attendees,
        audit_log,
        discussions,
        draft_review,
        edit,
        exports,
        imports,
        mailing,
        mailings,
        password,
        sign_in,
        status_changes,
    ):
        desk.register_blueprint(module.blueprint)
    app.register_blueprint(desk)
    app.register_error_handler(MethodNotAllowed, not_allowed)
