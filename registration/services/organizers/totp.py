"""Makes and checks the codes of the second factor (TOTP, RFC 6238) and recovery codes."""

import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

# What every authenticator app supports, with SHA-1 (RFC 6238 1.2, RFC 4226 5.3).
DIGITS = 6
STEP_SECONDS = 30
RECOVERY_CODES = 10
# Without 0, 1, l and o, which are easily misread.
_LETTERS = "23456789abcdefghijkmnpqrstuvwxyz"


def new_key() -> bytes:
    """Return a random key of 160 bits (RFC 4226 4, R6)."""
    return secrets.token_bytes(20)


def as_text(key: bytes) -> str:
    """Return a key in Base32, in groups of four, to be typed into an app."""
    return " ".join(re.findall(".{4}", b32encode(key).decode()))


def uri(key: bytes, address: str, site: str) -> str:
    """Return the content of the QR code (Key Uri Format of Google Authenticator)."""
    # That format knows no `+` for a space: apps would show it. A real one is escaped already.
    return _totp(key).get_provisioning_uri(address, site).replace("+", "%20")


def step_of(key: bytes, code: str, *, after: int, now: datetime) -> int | None:
    """Return the time step (Unix seconds // STEP_SECONDS) of a code: the current one, or the one
    before or after it, as clocks differ. None if the code is of none of them, or if its step is not
    `after` the last used one."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch(rf"[0-9]{{{DIGITS}}}", digits):
        return None
    current = int(now.timestamp()) // STEP_SECONDS
    if after > current + 1:
        # The step was used while the clock was ahead: it must lock nobody out.
        after = current - 2
    for step in (current - 1, current, current + 1):
        if step > after and _is(key, digits, step):
            return step
    return None


def code_at(key: bytes, now: datetime) -> str:
    """Return the code that an app shows at `now`."""
    return _totp(key).generate(int(now.timestamp())).decode()


def new_recovery_codes() -> list[str]:
    """Return `RECOVERY_CODES` codes of 50 bits each, for organizers who lose the app."""
    codes = ("".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES))
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def recovery_hash(code: str) -> str:
    """Return the SHA-256 of a recovery code, without regard to case, spaces and hyphens."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()


def remove_hash(hashes: list[str], used: str) -> list[str] | None:
    """Return `hashes` without the `used` one; None if they do not have it."""
    left = [kept for kept in hashes if not hmac.compare_digest(kept, used)]
    return left if len(left) < len(hashes) else None


def _is(key: bytes, digits: str, step: int) -> bool:
    try:
        _totp(key).verify(digits.encode(), step * STEP_SECONDS)
    except InvalidToken:
        return False
    return True


def _totp(key: bytes) -> TOTP:
    # Apps support HMAC-SHA-1, which is still secure: RFC 4226 B.2, RFC 6238 1.2.
    return TOTP(key, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303  # nosec B303
