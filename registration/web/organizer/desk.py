"""The blueprints of the desk, all below one that asks for a sign-in."""

from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import MethodNotAllowed

from . import (
    attendee,
    attendees,
    audit_log,
    discussions,
    draft_review,
    edit,
    emergency,
    exports,
    failed_sign_ins,
    imports,
    invitation,
    mailing,
    mailings,
    password,
    sessions,
    sign_in,
    status_changes,
)
from .access import PREFIX, ask_to_sign_in, not_allowed, stale

MODULES = (
    attendee,
    attendees,
    audit_log,
    discussions,
    draft_review,
    edit,
    emergency,
    exports,
    failed_sign_ins,
    imports,
    invitation,
    mailing,
    mailings,
    password,
    sessions,
    sign_in,
    status_changes,
)


def init_app(app: Flask) -> None:
    """Give `app` the desk."""
    desk = Blueprint("organizer", __name__, url_prefix=PREFIX)
    app.before_request(ask_to_sign_in)
    desk.register_error_handler(CSRFError, stale)
    for module in MODULES:
        desk.register_blueprint(module.blueprint)
    app.register_blueprint(desk)
    app.register_error_handler(MethodNotAllowed, not_allowed)
