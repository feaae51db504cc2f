"""The headers of every answer: content security policy, caching and privacy."""

from flask import Flask, Response, request, url_for

from .. import app_context
from .hosts import is_onion

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "frame-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

# Pages whose addresses contain nothing personal.
_PUBLIC = {
    "public.agenda",
    "public.discussion",
    "public.privacy",
    "registrations.form",
    "registrations.find",
}


def init_app(app: Flask) -> None:
    """Set the headers after each request, where the answer has none of its own."""
    app.after_request(_set_headers)


def content_security_policy(**changes: str) -> str:
    """Return the policy, with `changes` by directive (underscores for hyphens)."""
    policy = _POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}".strip() for name, value in policy.items())


def framed(html: str) -> Response:
    """Return a letter's HTML for a sandboxed frame: it can only be read, and open links."""
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = content_security_policy(
        style_src="'unsafe-inline'",
        script_src="'none'",
        frame_ancestors="'self'",
        sandbox="allow-popups allow-popups-to-escape-sandbox",
    )
    return response


def _set_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", content_security_policy())
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("Cache-Control", "no-store")
    # Neither promise of https nor offer of the onion address makes sense at that address.
    if request.is_secure and not is_onion():
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        _offer_onion(response)
    return response


def _offer_onion(response: Response) -> None:
    """Tell Tor Browser where the same page is an onion service; it obeys on https alone."""
    onion, endpoint = app_context.settings().onion_url, request.endpoint
    if onion and endpoint in _PUBLIC and response.status_code == 200:
        response.headers["Onion-Location"] = onion + url_for(endpoint, **(request.view_args or {}))
