"""The pages: places (public, registrations, mailbox), forms, headers and errors."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from .. import house
from ..settings import Settings
from . import assets, errors, headers, mailbox, public, registrations

# Twenty long answers in the widest script, percent-encoded, fit.
LARGEST_BODY = 512 * 1024
CSRF_LIFE = 6 * 60 * 60


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` its pages, and let it believe only what it may of a request."""
    secure = settings.public_url.startswith("https:")
    app.config.update(
        TRUSTED_HOSTS=_hosts(settings),
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=CSRF_LIFE,
    )
    app.url_map.strict_slashes = False
    for place in (public, registrations, mailbox):
        app.register_blueprint(place.place)
    app.jinja_env.globals.update(
        site_name=lambda: house.settings().site_name, contact=lambda: house.settings().contact
    )
    assets.init_app(app)
    errors.init_app(app)
    headers.init_app(app)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=0
        )


def _hosts(settings: Settings) -> list[str]:
    return [settings.host] if settings.is_public else ["127.0.0.1", "localhost", "[::1]"]
