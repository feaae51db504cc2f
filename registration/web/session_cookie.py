"""The session's cookie: one for https, and one that a browser keeps at the onion address too."""

import hashlib

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from .hosts import is_onion


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookies. Tor stands in for https at the onion address: no `Secure` there."""

    digest_method = staticmethod(hashlib.sha256)  # Flask's own is SHA-1

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name; `__Host-` demands `Secure` (RFC 6265bis 4.1.3.2)."""
        return "session" if is_onion() else super().get_cookie_name(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the cookie is for https alone."""
        return not is_onion() and super().get_cookie_secure(app)
