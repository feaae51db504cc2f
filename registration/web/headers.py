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

# Every feature that Chromium 156 asks a policy about, and two that it has on other systems. Left
# out are the client hints (ch-...): a browser sends them only to a site that asks for them.
_FEATURES = """
    accelerometer aria-notify autoplay bluetooth browsing-topics camera
    captured-surface-control ch-ua-high-entropy-values clipboard-read clipboard-write
    compute-pressure cross-origin-isolated deferred-fetch deferred-fetch-minimal
    digital-credentials-create digital-credentials-get display-capture encrypted-media
    fullscreen gamepad geolocation gyroscope hid identity-credentials-get idle-detection
    interest-cohort keyboard-map language-detector language-model local-fonts local-network
    local-network-access loopback-network magnetometer media-playback-while-not-visible
    microphone midi on-device-speech-recognition otp-credentials payment picture-in-picture
    private-state-token-issuance private-state-token-redemption publickey-credentials-create
    publickey-credentials-get screen-wake-lock serial speaker-selection storage-access
    summarizer sync-xhr translator unload usb web-share window-management xr-spatial-tracking
"""
_PERMISSIONS = ", ".join(f"{feature}=()" for feature in _FEATURES.split())

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
    # No other site may load an answer into a page of its own. Feeds are not concerned: calendar
    # programs and servers ask for them, not pages. No Cross-Origin-Embedder-Policy: it keeps what
    # other sites have out of a page, and our policy above lets a page load nothing of theirs.
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if response.mimetype == "text/html":  # a browser asks the policy of pages alone
        headers.setdefault("Permissions-Policy", _PERMISSIONS)
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
