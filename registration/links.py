"""Absolute and signed links, made from PUBLIC_URL and never from a request's Host header."""

import base64
import hmac
from dataclasses import dataclass

from itsdangerous import BadSignature

from .crypto.tokens import signer


@dataclass(frozen=True, slots=True)
class Links:
    """The absolute addresses that letters, calendars and pages contain."""

    root: str

    def agenda(self) -> str:
        return f"{self.root}/"

    def feed(self) -> str:
        return f"{self.root}/discussions.ics"

    def discussion(self, slug: str) -> str:
        return f"{self.root}/discussions/{slug}"

    def form(self, slug: str) -> str:
        return f"{self.root}/discussions/{slug}/register"

    def security(self) -> str:
        return f"{self.root}/.well-known/security.txt"

    def registration(self, token: str) -> str:
        return f"{self.root}/registrations/{token}"

    def personal_calendar(self, calendar_token: str) -> str:
        return f"{self.root}/registrations/calendar/{calendar_token}.ics"

    def new_address(self, signed: str) -> str:
        return f"{self.root}/registrations/address/{signed}"

    def mailings(self, public_id: str, token: str) -> str:
        return f"{self.root}/registrations/mailings/{sign_mailings(public_id, token)}"

    def desk(self) -> str:
        return f"{self.root}/organizer/"

    def invitation(self, token: str) -> str:
        return f"{self.root}/organizer/invitation/{token}"


def webcal(address: str) -> str:
    """Return `address` with the webcal scheme, which calendar programs subscribe to."""
    return "webcal:" + address.partition(":")[2]


def sign_new_address(secret: str, public_id: str, index: bytes) -> str:
    """Return a signed value that proves control of the address with this blind index."""
    return signer(secret, "new address").dumps([public_id, index.hex()])


def read_new_address(secret: str, signed: str) -> tuple[str, bytes] | None:
    """Return the public id and blind index in a signed value; None if the signature is wrong."""
    try:
        public_id, index = signer(secret, "new address").loads(signed)
    except BadSignature:
        return None
    return public_id, bytes.fromhex(index)


def sign_mailings(public_id: str, token: str) -> str:
    """Return a value that permits stopping mailings to one registration, and nothing else.

    It is derived from the personal link's `token`, so that it stays valid after a key rotation. The
    token cannot be computed from it: mail providers' programs read it in the letter's header.
    """
    # Links that were sent have this word in their proof.
    proof = hmac.digest(token.encode(), f"circulars {public_id}".encode(), "sha256")
    return f"{public_id}-{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"
