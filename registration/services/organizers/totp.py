"""The second factor: time-based codes (TOTP, RFC 6238), each used once, and recovery codes."""

import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from ...crypto.key_ring import Ring

# What every authenticator app knows: six digits, 30 seconds, SHA-1 (RFC 6238 1.2, RFC 4226 5.3).
DIGITS, STEP = 6, 30
RECOVERY_CODES = 10
# Without 0, 1, l and o, which are read wrongly.
_LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"


def key_of(ring: Ring, invitation: str) -> bytes:
    """Return the key that an invitation offers: the same each time its page is opened."""
    return ring.index("second factor", invitation)[:20]


def as_text(key: bytes) -> str:
    """Return a key as it is typed into an app, in groups of four."""
    return " ".join(re.findall(".{4}", b32encode(key).decode()))


def uri(key: bytes, address: str, site: str) -> str:
    """Return the content of the QR code (Key Uri Format of Google Authenticator)."""
    # That format knows no `+` for a space: apps would show it. A real one is escaped already.
    return _totp(key).get_provisioning_uri(address, site).replace("+", "%20")


def step_of(key: bytes, code: str, *, after: int, now: datetime) -> int | None:
    """Return the step of time whose code this is: the current one, or one beside it, as clocks
    differ. None if it is of none, or of one not `after` the last that was used."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch(rf"[0-9]{{{DIGITS}}}", digits):
        return None
    current = int(now.timestamp()) // STEP
    if after > current + 1:
        # A clock that was ahead, and has been set right, must lock nobody out.
        after = current - 2
    for step in (current - 1, current, current + 1):
        if step > after and _is(key, digits, step):
            return step
    return None


def code_at(key: bytes, now: datetime) -> str:
    """Return the code that an app shows at `now`."""
    return _totp(key).generate(int(now.timestamp())).decode()


def new_recovery_codes() -> list[str]:
    """Return codes of 50 bits each, for whoever has lost the app."""
    codes = ("".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES))
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def recovery_hash(code: str) -> str:
    """Return what is kept, sealed, of a recovery code, however it is typed."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()


def without(hashes: list[str], used: str) -> list[str] | None:
    """Return `hashes` without the one that was used; None if it is not among them."""
    left = [kept for kept in hashes if not hmac.compare_digest(kept, used)]
    return left if len(left) < len(hashes) else None


def _is(key: bytes, digits: str, step: int) -> bool:
    try:
        _totp(key).verify(digits.encode(), step * STEP)
    except InvalidToken:
        return False
    return True


def _totp(key: bytes) -> TOTP:
    # HMAC-SHA-1 is what the apps know, and as sound as ever: RFC 4226 B.2, RFC 6238 1.2.
    return TOTP(key, DIGITS, SHA1(), STEP)  # noqa: S303  # nosec B303
