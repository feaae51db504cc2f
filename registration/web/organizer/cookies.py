"""The cookies of an organizer's browser: a random token, kept as a hash in the database; and a mark
that somebody has signed in with this browser before, so that failed attempts of others do not lock
it out.

With AT_RISK the browser forgets the token when it is closed, and the mark after a month: a seized
device then shows for less time that it is an organizer's.
"""

import secrets
from datetime import timedelta

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Response

from ... import app_context
from ...crypto.tokens import signer
from ...services.organizers.authentication import SESSION_LIFE

_TOKEN, _DEVICE = "organizer", "organizer-device"
_HOST_PREFIX = "__Host-"
_DEVICE_LIFE = timedelta(days=365)
_DEVICE_LIFE_AT_RISK = timedelta(days=30)


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
    """Let the browser keep a token, and that it is an organizer's."""
    _set(response, _TOKEN, value, None if app_context.settings().at_risk else SESSION_LIFE)
    give_device(response)


def give_device(response: Response) -> Response:
    """Let the browser keep, from now on for as long as is allowed, that it is an organizer's;
    return the same response."""
    number = device() or secrets.token_hex(16)
    _set(response, _DEVICE, signed_device(number), _device_life())
    return response


def signed_device(number: str) -> str:
    """Return the value of the cookie that marks a browser, as it is given now."""
    return str(_signer().dumps([number, int(app_context.now().timestamp())]))


def take_away(response: Response) -> None:
    """Let the browser forget its token."""
    _set(response, _TOKEN, "", timedelta())


def _device_life() -> timedelta:
    return _DEVICE_LIFE_AT_RISK if app_context.settings().at_risk else _DEVICE_LIFE


def _set(response: Response, name: str, value: str, life: timedelta | None) -> None:
    """Set a cookie; without a `life` it ends with the browser."""
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
        number, given_at = _signer().loads(signed)
    except (BadSignature, ValueError):  # earlier releases signed the number alone
        return ""
    # A browser may keep a cookie for longer than it was told to.
    age = app_context.now().timestamp() - given_at
    return str(number) if age < _device_life().total_seconds() else ""


def _signer() -> URLSafeSerializer:
    return signer(str(current_app.secret_key or ""), "organizer's browser")


def _named(name: str) -> str:
    return _HOST_PREFIX + name if _is_secure() else name


def _is_secure() -> bool:
    return current_app.session_interface.get_cookie_secure(current_app)
