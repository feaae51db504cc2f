"""The pages of the service: its blueprints, forms, headers and errors."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from .. import app_context
from ..config import Settings
from ..refusals import Refusal
from . import (
    assets,
    csrf,
    errors,
    headers,
    health,
    hosts,
    labels,
    mailbox,
    rate_limits,
    uploads,
)
from .organizer import desk
from .public import pages
from .registrations import form, own_page, unsubscribe
from .session_cookie import Sessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Seconds that every accepted form takes at least: more than the work for any address takes.
ANSWER_FLOOR = 0.05


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` its pages, and let it believe only what it may of a request."""
    secure = settings.public_url.startswith("https:")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        ANSWER_FLOOR=ANSWER_FLOOR,
    )
    app.session_interface = Sessions()
    # Otherwise it redirects to what the Host header says.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    for module in (pages, form, own_page, unsubscribe, mailbox, health):
        app.register_blueprint(module.blueprint)
    app.jinja_env.globals.update(
        site_name=lambda: app_context.settings().site_name,
        contact=lambda: app_context.settings().contact,
        is_at_risk=lambda: app_context.settings().at_risk,
        is_discreet=app_context.is_discreet,
    )
    uploads.init_app(app)
    assets.init_app(app)
    labels.init_app(app)
    hosts.init_app(app)
    errors.init_app(app)
    # Checks of a request run in this order: host, form, sign-in, CSRF token.
    desk.init_app(app)
    csrf.init_app(app)
    rate_limits.init_app(app)
    headers.init_app(app)
    _open_keys_first(app)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=0
        )


def _open_keys_first(app: Flask) -> None:
    """Open the key ring before Flask opens a session: the session's secret comes from the ring.

    If the keys do not open, the request's own check says why.
    """
    inner = app.wsgi_app

    def opening(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not app.secret_key:
            with app.app_context(), suppress(Refusal):
                app_context.open_keys()
        return inner(environ, start_response)

    app.wsgi_app = opening  # type: ignore[method-assign]
