"""The hosts under which this site answers, and whether a request comes from this machine.

Flask's TRUSTED_HOSTS would do for names alone: it knows no IPv6 address, and nothing of probes.
"""

import re
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.exceptions import SecurityError

from .. import app_context
from ..config import is_loopback

# A monitor on this machine asks for these by IP address.
_PROBED = {"health.health", "health.metrics"}


def init_app(app: Flask) -> None:
    """Refuse requests for other hosts, before every other check."""
    app.before_request(_refuse_others)


def is_onion() -> bool:
    """Whether the request came to the onion service of ONION_URL."""
    onion = app_context.settings().onion_url
    return onion is not None and _asked_for() == urlsplit(onion).hostname


def is_from_this_machine() -> bool:
    """Whether the request comes from this machine itself, not through a proxy or Tor.

    Visitors of an onion service all come from loopback, and claim whatever host they like.
    """
    settings = app_context.settings()
    has_onion = settings.onion_url is not None or settings.host.endswith(".onion")
    named = [name for name, _value in request.headers]
    passed_on = any(name.startswith(("X-Forwarded", "Forwarded")) for name in named)
    return is_loopback(request.remote_addr or "") and not has_onion and not passed_on


def _refuse_others() -> None:
    if not (_is_ours(_asked_for()) or is_onion()):
        raise SecurityError


def _is_ours(host: str) -> bool:
    settings = app_context.settings()
    if is_loopback(host) and not settings.is_public:
        return True
    is_probe = request.endpoint in _PROBED and is_loopback(request.remote_addr or "")
    return host == settings.host or (is_probe and is_loopback(host))


def _asked_for() -> str:
    """Return the host of the request without its port; empty where it is not one."""
    return re.sub(r":[0-9]+\Z", "", request.host).lower().strip("[]")
