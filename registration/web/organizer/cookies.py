"""The cookies of an organizer's browser: a random token, kept as a hash in the database; and a mark
that somebody has signed in with this browser before, so that failed attempts of others do not lock
it out."""

import secrets
from datetime import timedelta

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Response

from ...crypto.tokens import signer
from ...services.organizers.authentication import SESSION_LIFE

_TOKEN, _DEVICE = "organizer", "organizer-device"
_HOST_PREFIX = "__Host-"
_DEVICE_LIFE = timedelta(days=365)


def token() -> str:
    """Return the token that the browser has sent; empty if it has sent none."""
    return request.cookies.get(_named(_TOKEN), "")


def device() -> str:
    """Return the number of a browser in which somebody has signed in before; empty for others."""
    return _number(request.cookies.get(_named(_DEVICE), ""))


def has_device(header: str) -> bool:
    """Whether a Cookie header is that of a browser in which somebody has signed in before.

    It needs no request: the mark counts under both names, of https and of the onion address.
    """
    held = parse_cookie(header)
    return any(_number(held.get(name, "")) for name in (_DEVICE, _HOST_PREFIX + _DEVICE))


def give(response: Response, value: str) -> None:
    """Let the browser keep a token, and, for a year, that it is an organizer's."""
    _set(response, _TOKEN, value, SESSION_LIFE)
    give_device(response)


def give_device(response: Response) -> Response:
    """Let the browser keep for a year that it is an organizer's, if it does not; return the same
    response."""
    if not device():
        _set(response, _DEVICE, str(_signer().dumps(secrets.token_hex(16))), _DEVICE_LIFE)
    return response


def take_away(response: Response) -> None:
    """Let the browser forget its token."""
    _set(response, _TOKEN, "", timedelta())


def _set(response: Response, name: str, value: str, life: timedelta) -> None:
    response.set_cookie(
        _named(name),
        value,
        max_age=life,
        path="/",
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _number(signed: str) -> str:
    try:
        number: str = _signer().loads(signed)
    except BadSignature:
        return ""
    return number


def _signer() -> URLSafeSerializer:
    return signer(str(current_app.secret_key or ""), "organizer's browser")


def _named(name: str) -> str:
    return _HOST_PREFIX + name if _is_secure() else name


def _is_secure() -> bool:
    return current_app.session_interface.get_cookie_secure(current_app)
