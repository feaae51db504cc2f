"""The cookie of an organizer's browser: a random token, which the database knows as a hash."""

from datetime import timedelta

from flask import current_app, request
from werkzeug.wrappers import Response

from ...services.signing_in import LIFE


def token() -> str:
    """Return the token that the browser has sent; empty if it has sent none."""
    return request.cookies.get(_name(), "")


def give(response: Response, value: str, life: timedelta = LIFE) -> None:
    """Let the browser keep a token."""
    response.set_cookie(
        _name(),
        value,
        max_age=life,
        path="/",
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
    )


def take_away(response: Response) -> None:
    """Let the browser forget its token."""
    give(response, "", timedelta())


def _name() -> str:
    return "__Host-organizer" if _is_secure() else "organizer"


def _is_secure() -> bool:
    return current_app.session_interface.get_cookie_secure(current_app)
