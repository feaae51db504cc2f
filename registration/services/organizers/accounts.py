"""Adds, resets and removes organizers for the operator, and finds their discussions."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from ... import outbox
from ...crypto.tokens import new_token, token_hash
from ...database import Transaction
from ...models import (
    Deed,
    Discussion,
    Grant,
    Identity,
    LetterKind,
    Organizer,
    Role,
    SignIn,
    organizer_index,
)
from ...refusals import OperatorRefusal
from ...text.addresses import EmailAddress
from .. import audit_log, catalog
from ..catalog import NoSuchDiscussion

INVITATION_LIFE = timedelta(hours=72)


class NoSuchOrganizer(OperatorRefusal):
    """No organizer has that address."""


class OrganizerRefused(OperatorRefusal):
    """The organizer exists already, or role, discussions and partner contradict each other."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The role and discussions of an organizer to add, and a partner's name."""

    role: Role
    slugs: tuple[str, ...] = ()
    partner: str | None = None

    def check(self) -> None:
        """Raise `OrganizerRefused` if role, discussions and partner contradict each other."""
        if self.role is Role.ADMINISTRATOR and self.slugs:
            raise OrganizerRefused("An administrator has every discussion: name none.")
        if self.role is not Role.ADMINISTRATOR and not self.slugs:
            raise OrganizerRefused(
                "Say which discussions: --discussion SLUG, or --role administrator for all."
            )
        if (self.role is Role.PARTNER) != bool(self.partner):
            raise OrganizerRefused("A partner is named, and only a partner: --partner NAME.")


def add(tx: Transaction, address: EmailAddress, wanted: Wanted) -> str | None:
    """Add an organizer; return the token of the link that sets password and second factor.

    An organizer who can sign in already gets further discussions; then it returns None.

    Raises `OrganizerRefused`, `NoSuchDiscussion`.
    """
    wanted.check()
    discussions = [catalog.find(tx, slug) for slug in wanted.slugs]
    _refuse_unknown_partner(discussions, wanted)
    organizer = _find_by_address(tx, address)
    if organizer and not organizer.removed_at and organizer.role is wanted.role is Role.ORGANIZER:
        _give(tx, organizer, discussions)
        audit_log.note(tx, Deed.GIVEN, subject=organizer.id)
        return None
    if organizer and not organizer.removed_at:
        raise OrganizerRefused(
            f"{address.sent} may sign in already: `flask organizer remove` first, or `reset`."
        )
    if organizer is None:
        organizer = Organizer(
            public_id=secrets.token_hex(16), address_index=organizer_index(tx.keys, address)
        )
        tx.add(organizer)
    organizer.role, organizer.partner = wanted.role, wanted.partner
    organizer.added_at, organizer.removed_at = tx.now, None
    organizer.seal(Identity(organizer.public_id, address.sent), tx.keys)
    token = _invite(organizer, tx.now)
    tx.flush()
    tx.execute(delete(Grant).where(Grant.organizer_id == organizer.id))
    _give(tx, organizer, discussions)
    audit_log.note(tx, Deed.ADDED, subject=organizer.id)
    return token


def _give(tx: Transaction, organizer: Organizer, discussions: Sequence[Discussion]) -> None:
    held = select(Grant.discussion_id).where(Grant.organizer_id == organizer.id)
    there = set(tx.scalars(held))
    for discussion in discussions:
        if discussion.id not in there:
            given = {"organizer_id": organizer.id, "discussion_id": discussion.id}
            tx.execute(insert(Grant).values(given))


def reset(tx: Transaction, address: EmailAddress) -> str:
    """Delete password and second factor, end all sessions, and return the token of a new link. A
    letter tells the organizer.

    Raises `NoSuchOrganizer`.
    """
    organizer = find(tx, address)
    _end_access(tx, organizer)
    token = _invite(organizer, tx.now)
    audit_log.note(tx, Deed.RESET, subject=organizer.id)
    outbox.post_to_organizer(tx, organizer.id, LetterKind.SIGN_IN_RESET)
    return token


def remove(tx: Transaction, address: EmailAddress) -> None:
    """Remove an organizer, and end their sessions. Raises `NoSuchOrganizer`."""
    organizer = find(tx, address)
    _end_access(tx, organizer)
    organizer.removed_at = tx.now
    organizer.invitation_hash = organizer.invited_until = None
    tx.execute(delete(Grant).where(Grant.organizer_id == organizer.id))
    audit_log.note(tx, Deed.REMOVED, subject=organizer.id)


def list_all(tx: Transaction) -> Sequence[Organizer]:
    """Return all organizers who are not removed, in the order they were added."""
    here = select(Organizer).where(Organizer.removed_at.is_(None))
    return tx.scalars(here.order_by(Organizer.added_at, Organizer.id)).all()


def discussions_of(tx: Transaction, organizer: Organizer) -> Sequence[Discussion]:
    """Return the discussions that an organizer has, the one that starts last first."""
    wanted = select(Discussion).order_by(Discussion.starts_at.desc())
    if organizer.role is not Role.ADMINISTRATOR:
        given = select(Grant.discussion_id).where(Grant.organizer_id == organizer.id)
        wanted = wanted.where(Discussion.id.in_(given))
    return tx.scalars(wanted).all()


def discussion_of(tx: Transaction, organizer: Organizer, slug: str) -> Discussion:
    """Return a discussion that an organizer has. Raises `NoSuchDiscussion` if they have not, as if
    there were none."""
    discussion = catalog.find(tx, slug)
    given = (Grant.organizer_id == organizer.id, Grant.discussion_id == discussion.id)
    if organizer.role is Role.ADMINISTRATOR or tx.scalar(select(Grant).where(*given)):
        return discussion
    raise NoSuchDiscussion(slug=slug)


def run_by(tx: Transaction, organizer: Organizer, slug: str) -> Discussion:
    """Return a discussion that an organizer has and may edit. Raises `NoSuchDiscussion`, always for
    a partner."""
    discussion = discussion_of(tx, organizer, slug)
    if organizer.role is Role.PARTNER:
        raise NoSuchDiscussion(slug=slug)
    return discussion


def find(tx: Transaction, address: EmailAddress) -> Organizer:
    """Return the organizer with an address, locked, or raise `NoSuchOrganizer`."""
    organizer = _find_by_address(tx, address)
    if organizer is None or organizer.removed_at:
        raise NoSuchOrganizer(f"Nobody signs in with {address.sent}.")
    return organizer


def _find_by_address(tx: Transaction, address: EmailAddress) -> Organizer | None:
    index = organizer_index(tx.keys, address)
    named = select(Organizer).where(Organizer.address_index == index)
    return tx.scalar(named.with_for_update())


def _refuse_unknown_partner(discussions: Sequence[Discussion], wanted: Wanted) -> None:
    for discussion in discussions:
        named = {item.partner for item in discussion.content.sharing}
        if wanted.partner and wanted.partner not in named:
            raise OrganizerRefused(
                f"{discussion.slug} shares nothing with {wanted.partner}: its [[sharing]] names "
                f"{', '.join(sorted(named)) or 'nobody'}."
            )


def _end_access(tx: Transaction, organizer: Organizer) -> None:
    organizer.password_hash = None
    bare = replace(organizer.identity(tx.keys), second_factor="", recovery_hashes=[])
    organizer.seal(bare, tx.keys)
    tx.execute(delete(SignIn).where(SignIn.organizer_id == organizer.id))


def _invite(organizer: Organizer, now: datetime) -> str:
    token = new_token()
    organizer.invitation_hash, organizer.invited_until = token_hash(token), now + INVITATION_LIFE
    organizer.invitation_openings, organizer.invitation_opened_at = 0, None
    return token
