"""Invitations: links with which organizers set password and second factor.

Mail providers and scanners open links too. So each opening of the page has an authenticator key of
its own, which nothing but that page and the organizer's acceptance can make valid, and the next
opening tells of it.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from ... import outbox
from ...crypto.key_ring import SealBroken
from ...crypto.tokens import token_hash
from ...database import Transaction
from ...models import Deed, Identity, LetterKind, Organizer
from ...models.stored import known, refuse_newer, with_version
from ...refusals import N_, Refusal
from .. import audit_log
from . import totp

# How long a page may stay open before its key is replaced by another.
PAGE_LIFE = timedelta(hours=24)
_VERSION = 1


class InvitationOver(Refusal):
    """The link was used, is too old, or never existed; the sentence does not say which."""

    sentence = N_("This link does not apply any more.")


class PageOver(Refusal):
    """A page's sealed key was made too long ago, for another invitation, or not by us."""

    sentence = N_(
        "The key of that page is no longer valid. Scan the new one below, and enter its code."
    )


class CodeWrong(Refusal):
    """The code is not the one that the authenticator app shows now."""

    sentence = N_("The code is not the one that the app shows now.")


@dataclass(frozen=True, slots=True)
class Page:
    """One opening of an invitation: an authenticator key in hexadecimal, the time (ISO 8601), and
    how often and when (ISO 8601) the link was opened before."""

    key: str
    made_at: str
    openings: int
    opened_at: str | None

    @property
    def last_opened_at(self) -> datetime | None:
        """When the link was last opened before."""
        return datetime.fromisoformat(self.opened_at) if self.opened_at else None


def find(tx: Transaction, token: str, *, lock: bool = False) -> tuple[Organizer, Identity]:
    """Return the organizer and identity of an invitation, or raise `InvitationOver`."""
    named = select(Organizer).where(
        Organizer.invitation_hash == token_hash(token), Organizer.invited_until > tx.now
    )
    found = tx.scalar(named.with_for_update() if lock else named)
    if found is None:
        raise InvitationOver
    return found, found.identity(tx.keys)


def open_page(tx: Transaction, token: str) -> Page:
    """Count an opening of the link, and return the page with a new key. Raises `InvitationOver`."""
    tx.hold_keys()
    organizer, _identity = find(tx, token, lock=True)
    before = organizer.invitation_opened_at
    page = Page(
        key=totp.new_key().hex(),
        made_at=tx.now.isoformat(),
        openings=organizer.invitation_openings,
        opened_at=before.isoformat() if before else None,
    )
    organizer.invitation_openings += 1
    organizer.invitation_opened_at = tx.now
    return page


def seal(tx: Transaction, token: str, page: Page) -> str:
    """Return a page sealed for this invitation alone, to travel in its form."""
    stored = with_version(asdict(page), _VERSION)
    return tx.keys.seal_for(_purpose(token), json.dumps(stored))


def unseal(tx: Transaction, token: str, sealed: str) -> Page:
    """Return the page that was sealed for this invitation. Raises `PageOver`."""
    try:
        stored = json.loads(tx.keys.unseal_for(_purpose(token), sealed))
    except SealBroken:
        raise PageOver from None
    refuse_newer(stored, _VERSION)
    page = known(Page, stored)
    if tx.now - datetime.fromisoformat(page.made_at) > PAGE_LIFE:
        raise PageOver
    return page


def accept(tx: Transaction, token: str, page: Page, password_hash: str, code: str) -> list[str]:
    """Set password and second factor by an invitation; return the recovery codes, which are not
    stored. A letter tells the organizer. Raises `InvitationOver`, `CodeWrong`.

    The invitation ends, and with it all that its other pages hold.
    """
    tx.hold_keys()
    organizer, identity = find(tx, token, lock=True)
    step = totp.step_of(bytes.fromhex(page.key), code, after=0, now=tx.now)
    if step is None:
        raise CodeWrong
    codes = totp.new_recovery_codes()
    hashes = [totp.recovery_hash(item) for item in codes]
    organizer.seal(replace(identity, second_factor=page.key, recovery_hashes=hashes), tx.keys)
    organizer.password_hash, organizer.code_step = password_hash, step
    organizer.invitation_hash = organizer.invited_until = None
    audit_log.note(tx, Deed.ACCEPTED, by=organizer.id)
    outbox.post_to_organizer(tx, organizer.id, LetterKind.SIGN_IN_SET_UP)
    return codes


def _purpose(token: str) -> str:
    # A key is derived from the purpose: a page of another invitation does not open.
    return f"second factor of {token_hash(token).hex()}"
