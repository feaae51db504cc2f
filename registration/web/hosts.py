"""Under which hosts this site answers, and what a host says of whoever asks.

Flask's TRUSTED_HOSTS would do for names alone: it knows no IPv6 address, and nothing of probes.
"""

import re
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import SecurityError

from .. import app_context
from ..config import is_loopback

# What watches the service on this machine asks for it by address.
_PROBED = {"health.health", "health.metrics"}


def init_app(app: Flask) -> None:
    """Refuse requests for other sites, before anything else is asked."""
    app.before_request(_refuse_others)


def is_onion() -> bool:
    """Whether the request came to the onion service that stands beside PUBLIC_URL."""
    onion = app_context.settings().onion_url
    return onion is not None and _asked_for() == urlsplit(onion).hostname


def is_from_this_machine() -> bool:
    """Whether whoever asks sits at this machine itself, and not behind a proxy or in Tor.

    Visitors of an onion service all come from loopback, and claim whatever host they like.
    """
    found = app_context.settings()
    has_onion = found.onion_url is not None or found.host.endswith(".onion")
    named = [name for name, _value in request.headers]
    passed_on = any(name.startswith(("X-Forwarded", "Forwarded")) for name in named)
    return is_loopback(request.remote_addr or "") and not has_onion and not passed_on


def _refuse_others() -> None:
    if not (_is_ours(_asked_for()) or is_onion()):
        raise SecurityError


def _is_ours(host: str) -> bool:
    found = app_context.settings()
    if is_loopback(host) and not found.is_public:
        return True
    is_probe = request.endpoint in _PROBED and is_loopback(request.remote_addr or "")
    return host == found.host or (is_probe and is_loopback(host))


def _asked_for() -> str:
    """Return the host of the request without its port; empty where it is not one."""
    return re.sub(r":[0-9]+\Z", "", request.host).lower().strip("[]")
