"""Circulars: an organizer drafts one, queues it to a group of attendees, and may stop it while it
goes out."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ... import outbox
from ...config import Settings
from ...crypto.key_ring import Ring
from ...database import comparable
from ...mail import placeholders
from ...models import (
    Circular,
    CircularState,
    Deed,
    Discussion,
    Group,
    Letter,
    LetterKind,
    Registration,
    Wording,
)
from ...refusals import Refusal
from .. import audit_log
from ..erasure import erasures
from ..erasure.erasures import Receipt
from . import recipients


class NoSuchCircular(Refusal):
    """The discussion has no circular of that id."""


class CircularChanged(Refusal):
    """The circular is not any more what was seen: somebody has changed it, or queued it."""


class NobodyToWriteTo(Refusal):
    """Nobody is in the groups that a circular goes to, or all of them have stopped circulars."""


class NoLinkToJoin(Refusal):
    """A circular has the link to join in it, and the discussion has none any more."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an organizer typed: shape checked, placeholders too."""

    subject: str
    text: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of the letters that a circular owed. Those of who has been erased are gone."""

    owed: int = 0
    sent: int = 0
    failed: int = 0
    held: int = 0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """How many are still to leave; a restored backup holds letters back."""
        return self.owed + self.held


def find(
    session: Session, discussion: Discussion, public_id: str, *, lock: bool = False
) -> Circular:
    """Return a circular of a discussion, or raise `NoSuchCircular`."""
    named = select(Circular).where(
        Circular.discussion_id == discussion.id, Circular.public_id == comparable(public_id)
    )
    found = session.scalar(named.with_for_update() if lock else named)
    if found is None:
        raise NoSuchCircular("There is no such letter.")
    return found


def every(session: Session, discussion: Discussion) -> list[tuple[Circular, Progress]]:
    """Return a discussion's circulars, the one written last first, and what became of each."""
    found = session.scalars(
        select(Circular).where(Circular.discussion_id == discussion.id).order_by(Circular.id.desc())
    ).all()
    return [(item, progress(session, item)) for item in found]


def progress(session: Session, circular: Circular) -> Progress:
    """Return what became of the letters of a circular; tests are not counted."""
    counted = (
        select(Letter.state, func.count())
        .where(Letter.circular_id == circular.id, Letter.registration_id.is_not(None))
        .group_by(Letter.state)
    )
    return Progress(**{state.value: count for state, count in session.execute(counted)})


def save(
    session: Session,
    discussion: Discussion,
    draft: Draft,
    *,
    public_id: str | None = None,
    version: int = 0,
    by: int,
    ring: Ring,
    now: datetime,
) -> Circular:
    """Keep a new draft, or change the one of `public_id` if it is still the `version` that was
    seen. Raises `NoSuchCircular`, `CircularChanged`."""
    if public_id is None:
        circular = Circular(public_id=secrets.token_hex(16), discussion_id=discussion.id, version=1)
        session.add(circular)
    else:
        circular = find(session, discussion, public_id, lock=True)
        _refuse_changed(circular, version)
        circular.version += 1
    circular.seal(Wording(circular.public_id, draft.subject, draft.text), ring)
    circular.groups = [group.value for group in draft.groups]
    circular.organizer_id, circular.written_at = by, now
    _note(session, Deed.DRAFTED, discussion, circular, by, now)
    return circular


def discard(
    session: Session,
    discussion: Discussion,
    public_id: str,
    version: int,
    *,
    by: int,
    settings: Settings,
    now: datetime,
) -> Receipt:
    """Throw a draft away, if it is still the `version` that was seen; one that was queued
    meanwhile stays. Raises `NoSuchCircular`, `CircularChanged`."""
    circular = find(session, discussion, public_id, lock=True)
    if not circular.is_draft:
        return Receipt()
    _refuse_changed(circular, version)
    _note(session, Deed.DISCARDED, discussion, circular, by, now)
    return erasures.erase_circular(session, circular, letters=settings.mail.folder, now=now)


def queue(
    session: Session,
    discussion: Discussion,
    public_id: str,
    version: int,
    *,
    by: int,
    ring: Ring,
    settings: Settings,
    now: datetime,
) -> None:
    """Owe a circular to everybody in its groups, if it is still the `version` that was seen; a
    second time changes nothing. Raises `NoSuchCircular`, `CircularChanged`, `NoLinkToJoin`,
    `NobodyToWriteTo`."""
    # Locked first: nobody who is owed a letter is erased meanwhile.
    session.refresh(discussion, with_for_update=True)
    circular = find(session, discussion, public_id, lock=True)
    if circular.queued_at and circular.version == version:
        return
    _refuse_changed(circular, version)
    wording, join_url = circular.wording(ring), discussion.content.join_url
    if not join_url and placeholders.asks_for_link(wording.text):
        raise NoLinkToJoin("This discussion has no link to join, which this letter has in it.")
    has_link = placeholders.has_link(wording, join_url)
    wanted = recipients.recipients(discussion, circular.groups, has_link=has_link, now=now)
    ids = session.scalars(wanted.order_by(Registration.id)).all()
    if not ids:
        raise NobodyToWriteTo("Nobody is in the groups that this letter goes to.")
    outbox.post_all(
        session,
        ids,
        LetterKind.CIRCULAR,
        revision=discussion.version,
        host=settings.host,
        now=now,
        occasion=circular.public_id,
        circular_id=circular.id,
    )
    circular.queued_at, circular.organizer_id, circular.count = now, by, len(ids)
    _note(session, Deed.QUEUED, discussion, circular, by, now)


def stop(
    session: Session, discussion: Discussion, public_id: str, *, by: int, now: datetime
) -> None:
    """Send a circular to nobody who has not got it yet; a draft, or one that was stopped, stays
    what it is.

    Who has a letter of it in hand finds that out when it is to be written. Raises
    `NoSuchCircular`.
    """
    circular = find(session, discussion, public_id, lock=True)
    if circular.state is not CircularState.QUEUED:
        return
    circular.stopped_at = now
    session.flush()
    dropped = outbox.drop_waiting(session, Letter.circular_id == circular.id, now)
    audit_log.note(session, Deed.STOPPED, by=by, slug=discussion.slug, count=dropped, now=now)


def try_out(
    session: Session,
    discussion: Discussion,
    public_id: str,
    *,
    by: int,
    settings: Settings,
    now: datetime,
) -> None:
    """Owe an organizer a draft as a letter, to look at. Raises `NoSuchCircular`."""
    circular = find(session, discussion, public_id)
    version = discussion.version
    outbox.post_test(session, by, circular.id, revision=version, host=settings.host, now=now)
    audit_log.note(session, Deed.TESTED, by=by, slug=discussion.slug, now=now)


def wording_of(session: Session, letter: Letter, ring: Ring) -> Wording | None:
    """Return what a letter hands on; None if its circular was stopped or erased, or is no letter
    that hands one on."""
    if letter.circular_id is None:
        return None
    circular = session.get(Circular, letter.circular_id, populate_existing=True)
    return circular.wording(ring) if circular and not circular.stopped_at else None


def _refuse_changed(circular: Circular, version: int) -> None:
    if circular.version != version or not circular.is_draft:
        raise CircularChanged("This letter is not any more what you have seen.")


def _note(
    session: Session,
    deed: Deed,
    discussion: Discussion,
    circular: Circular,
    by: int,
    now: datetime,
) -> None:
    """Write what was done to a circular: to whom it goes, never what it says."""
    to, owed = ", ".join(circular.groups), circular.count or None
    audit_log.note(session, deed, by=by, slug=discussion.slug, count=owed, detail=to, now=now)
