"""Who may sign in, as what, and with which discussions; the operator adds, resets and removes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ...crypto.key_ring import Ring, new_token, token_hash
from ...models import Deed, Discussion, Grant, Identity, Organizer, Role, SignIn, organizer_index
from ...refusals import Refusal
from ...text.addresses import EmailAddress
from .. import audit_log, catalog
from ..catalog import NoSuchDiscussion

INVITATION_LIFE = timedelta(hours=72)


class NoSuchOrganizer(Refusal):
    """Nobody with that address may sign in."""


class OrganizerRefused(Refusal):
    """The organizer is there already, or what is asked for them makes no sense."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an organizer is to be. An administrator has every discussion; a partner is named."""

    role: Role
    slugs: tuple[str, ...] = ()
    partner: str | None = None

    def check(self) -> None:
        """Raise `OrganizerRefused` if it makes no sense."""
        if self.role is Role.ADMINISTRATOR and self.slugs:
            raise OrganizerRefused("An administrator has every discussion: name none.")
        if self.role is not Role.ADMINISTRATOR and not self.slugs:
            raise OrganizerRefused(
                "Say which discussions: --discussion SLUG, or --role administrator for all."
            )
        if (self.role is Role.PARTNER) != bool(self.partner):
            raise OrganizerRefused("A partner is named, and only a partner: --partner NAME.")


def add(
    session: Session, address: EmailAddress, wanted: Wanted, *, ring: Ring, now: datetime
) -> str | None:
    """Let somebody sign in, and return the token of the link that sets password and second factor;
    None for an organizer who signs in already, and is given further discussions.

    Raises `OrganizerRefused`, `NoSuchDiscussion`.
    """
    wanted.check()
    discussions = [catalog.find(session, slug) for slug in wanted.slugs]
    _refuse_unknown_partner(discussions, wanted)
    organizer = _by_address(session, address, ring)
    if organizer and not organizer.removed_at and organizer.role is wanted.role is Role.ORGANIZER:
        _give(session, organizer, discussions)
        audit_log.note(session, Deed.GIVEN, subject=organizer.id, now=now)
        return None
    if organizer and not organizer.removed_at:
        raise OrganizerRefused(
            f"{address.sent} may sign in already: `flask organizer remove` first, or `reset`."
        )
    if organizer is None:
        organizer = Organizer(
            public_id=secrets.token_hex(16), address_index=organizer_index(ring, address)
        )
        session.add(organizer)
    organizer.role, organizer.partner = wanted.role, wanted.partner
    organizer.added_at, organizer.removed_at = now, None
    organizer.seal(Identity(organizer.public_id, address.sent), ring)
    token = _invite(organizer, now)
    session.flush()
    session.execute(delete(Grant).where(Grant.organizer_id == organizer.id))
    _give(session, organizer, discussions)
    audit_log.note(session, Deed.ADDED, subject=organizer.id, now=now)
    return token


def _give(session: Session, organizer: Organizer, discussions: Sequence[Discussion]) -> None:
    held = select(Grant.discussion_id).where(Grant.organizer_id == organizer.id)
    there = set(session.scalars(held))
    for discussion in discussions:
        if discussion.id not in there:
            given = {"organizer_id": organizer.id, "discussion_id": discussion.id}
            session.execute(insert(Grant).values(given))


def reset(session: Session, address: EmailAddress, *, ring: Ring, now: datetime) -> str:
    """Take password and second factor away, end every sign-in, and return the token of a new link.

    Raises `NoSuchOrganizer`.
    """
    organizer = find(session, address, ring)
    _shut_out(session, organizer, ring)
    token = _invite(organizer, now)
    audit_log.note(session, Deed.RESET, subject=organizer.id, now=now)
    return token


def remove(session: Session, address: EmailAddress, *, ring: Ring, now: datetime) -> None:
    """Let somebody sign in no more, from now on. Raises `NoSuchOrganizer`."""
    organizer = find(session, address, ring)
    _shut_out(session, organizer, ring)
    organizer.removed_at = now
    organizer.invitation_hash = organizer.invited_until = None
    session.execute(delete(Grant).where(Grant.organizer_id == organizer.id))
    audit_log.note(session, Deed.REMOVED, subject=organizer.id, now=now)


def every(session: Session) -> Sequence[Organizer]:
    """Return everybody who may sign in, in the order they were added."""
    here = select(Organizer).where(Organizer.removed_at.is_(None))
    return session.scalars(here.order_by(Organizer.added_at, Organizer.id)).all()


def discussions_of(session: Session, organizer: Organizer) -> Sequence[Discussion]:
    """Return the discussions that an organizer has, the next or the latest first."""
    wanted = select(Discussion).order_by(Discussion.starts_at.desc())
    if organizer.role is not Role.ADMINISTRATOR:
        given = select(Grant.discussion_id).where(Grant.organizer_id == organizer.id)
        wanted = wanted.where(Discussion.id.in_(given))
    return session.scalars(wanted).all()


def discussion_of(session: Session, organizer: Organizer, slug: str) -> Discussion:
    """Return a discussion that an organizer has; for one they have not, `NoSuchDiscussion`, as for
    one that is not there."""
    discussion = catalog.find(session, slug)
    given = (Grant.organizer_id == organizer.id, Grant.discussion_id == discussion.id)
    if organizer.role is Role.ADMINISTRATOR or session.scalar(select(Grant).where(*given)):
        return discussion
    raise NoSuchDiscussion(f"There is no discussion {slug}.")


def run_by(session: Session, organizer: Organizer, slug: str) -> Discussion:
    """Return a discussion that an organizer runs, as no partner does, or raise
    `NoSuchDiscussion`."""
    discussion = discussion_of(session, organizer, slug)
    if organizer.role is Role.PARTNER:
        raise NoSuchDiscussion(f"There is no discussion {slug}.")
    return discussion


def find(session: Session, address: EmailAddress, ring: Ring) -> Organizer:
    """Return who signs in with an address, locked, or raise `NoSuchOrganizer`."""
    organizer = _by_address(session, address, ring)
    if organizer is None or organizer.removed_at:
        raise NoSuchOrganizer(f"Nobody signs in with {address.sent}.")
    return organizer


def _by_address(session: Session, address: EmailAddress, ring: Ring) -> Organizer | None:
    index = organizer_index(ring, address)
    named = select(Organizer).where(Organizer.address_index == index)
    return session.scalar(named.with_for_update())


def _refuse_unknown_partner(discussions: Sequence[Discussion], wanted: Wanted) -> None:
    for discussion in discussions:
        named = {item.partner for item in discussion.content.sharing}
        if wanted.partner and wanted.partner not in named:
            raise OrganizerRefused(
                f"{discussion.slug} shares nothing with {wanted.partner}: its [[sharing]] names "
                f"{', '.join(sorted(named)) or 'nobody'}."
            )


def _shut_out(session: Session, organizer: Organizer, ring: Ring) -> None:
    organizer.password_hash = None
    bare = replace(organizer.identity(ring), second_factor="", recovery_hashes=[])
    organizer.seal(bare, ring)
    session.execute(delete(SignIn).where(SignIn.organizer_id == organizer.id))


def _invite(organizer: Organizer, now: datetime) -> str:
    token = new_token()
    organizer.invitation_hash, organizer.invited_until = token_hash(token), now + INVITATION_LIFE
    return token
