"""Random tokens of links and cookies, the hashes under which they are stored, signed values."""

import hashlib
import secrets

from itsdangerous import URLSafeSerializer

# Links and cookies that were given before have HMAC-SHA-1, the default of itsdangerous.
_EARLIER = {"digest_method": hashlib.sha1}


def new_token() -> str:
    """Return a random token of 256 bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a token. A plain hash hides it, because the token is random."""
    return hashlib.sha256(token.encode()).digest()


def signer(secret: str, purpose: str) -> URLSafeSerializer:
    """Return what signs values for one purpose, with HMAC-SHA-256, and reads them back."""
    return URLSafeSerializer(
        secret,
        salt=purpose,
        signer_kwargs={"digest_method": hashlib.sha256},
        fallback_signers=[_EARLIER],
    )
