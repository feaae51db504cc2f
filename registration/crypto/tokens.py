"""Random tokens for links and cookies, and the hashes under which they are stored."""

import hashlib
import secrets


def new_token() -> str:
    """Return a random token of 256 bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token. A plain hash hides it, because the token is random."""
    return hashlib.sha256(token.encode()).digest()
