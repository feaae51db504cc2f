"""Keyed digests of what a page shows above a button, so that the button confirms nothing else."""

import hmac
import json
from dataclasses import asdict, is_dataclass
from typing import Any


def digest_shown(secret: str, purpose: str, facts: object) -> str:
    """Return the digest of the facts above one kind of button, for its form to carry.

    Facts are values for JSON, dataclasses and times. Nobody without the secret learns from it
    whether they guess the facts right, and no digest is valid for another `purpose`.
    """
    text = json.dumps([purpose, facts], ensure_ascii=False, sort_keys=True, default=_plain)
    return hmac.digest(secret.encode(), f"shown {text}".encode(), "sha256").hex()


def is_shown(digest: str, secret: str, purpose: str, facts: object) -> bool:
    """Whether a digest that came back is the one of these facts."""
    right = digest_shown(secret, purpose, facts)
    return hmac.compare_digest(right.encode(), digest.encode(errors="replace"))


def _plain(value: Any) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
