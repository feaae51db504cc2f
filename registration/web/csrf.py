"""The CSRF token of every form that is posted: it is checked before the view runs.

A page may have been open for longer than its token lives; text typed there must not be lost.
A view that takes typed text is marked with `checks_token`: its form checks the token as one more
field, and the view shows the form again, as it does for any mistake. A view that takes a single
button names with `when_stale` the page that the button was on. The one POST that needs no token is
the one that mail programs send to unsubscribe (RFC 8058).
"""

from flask import Flask, Response, make_response, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from .route_properties import View, property_of

LIFE_SECONDS = 6 * 60 * 60

protection = CSRFProtect()


def checks_token(view: View) -> View:
    """Leave the check of the token to a view: to `validate()` of its form, or to `is_valid`."""
    protection.exempt(view)
    return view


def init_app(app: Flask) -> None:
    """Check the tokens of `app`, after what else is asked of a request before its view."""
    app.config.update(
        WTF_CSRF_TIME_LIMIT=LIFE_SECONDS,
        WTF_CSRF_CHECK_DEFAULT=False,
        # Our own pages tell no referrer (headers.py).
        WTF_CSRF_SSL_STRICT=False,
    )
    protection.init_app(app)
    app.before_request(_check)


def is_valid() -> bool:
    """Whether the request carries a token that is valid."""
    try:
        protection.protect()
    except CSRFError:
        return False
    return True


def _check() -> Response | None:
    try:
        protection.protect(apply_exemptions=True)
    except CSRFError:
        stale_page = property_of(request.endpoint, "when_stale")
        if stale_page is None:
            raise
        return make_response(stale_page(**(request.view_args or {})))
    return None
