"""Circulars: an organizer drafts one, queues it to a group of attendees, and may stop it while it
goes out."""

import secrets
from dataclasses import dataclass

from sqlalchemy import func, select

from ... import outbox
from ...database import Transaction, comparable
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
    tx: Transaction, discussion: Discussion, public_id: str, *, lock: bool = False
) -> Circular:
    """Return a circular of a discussion, or raise `NoSuchCircular`."""
    named = select(Circular).where(
        Circular.discussion_id == discussion.id, Circular.public_id == comparable(public_id)
    )
    found = tx.scalar(named.with_for_update() if lock else named)
    if found is None:
        raise NoSuchCircular("There is no such letter.")
    return found


def every(tx: Transaction, discussion: Discussion) -> list[tuple[Circular, Progress]]:
    """Return a discussion's circulars, the one written last first, and what became of each."""
    found = tx.scalars(
        select(Circular).where(Circular.discussion_id == discussion.id).order_by(Circular.id.desc())
    ).all()
    return [(item, progress(tx, item)) for item in found]


def progress(tx: Transaction, circular: Circular) -> Progress:
    """Return what became of the letters of a circular; tests are not counted."""
    counted = (
        select(Letter.state, func.count())
        .where(Letter.circular_id == circular.id, Letter.registration_id.is_not(None))
        .group_by(Letter.state)
    )
    return Progress(**{state.value: count for state, count in tx.execute(counted)})


def save(
    tx: Transaction,
    discussion: Discussion,
    draft: Draft,
    *,
    public_id: str | None = None,
    version: int = 0,
    by: int,
) -> Circular:
    """Keep a new draft, or change the one of `public_id` if it is still the `version` that was
    seen. Raises `NoSuchCircular`, `CircularChanged`."""
    tx.hold_keys()
    if public_id is None:
        circular = Circular(public_id=secrets.token_hex(16), discussion_id=discussion.id, version=1)
        tx.add(circular)
    else:
        circular = find(tx, discussion, public_id, lock=True)
        _refuse_changed(circular, version)
        circular.version += 1
    circular.seal(Wording(circular.public_id, draft.subject, draft.text), tx.keys)
    circular.groups = [group.value for group in draft.groups]
    circular.organizer_id, circular.written_at = by, tx.now
    _note(tx, Deed.DRAFTED, discussion, circular, by)
    return circular


def discard(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> Receipt:
    """Throw a draft away, if it is still the `version` that was seen; one that was queued
    meanwhile stays. Raises `NoSuchCircular`, `CircularChanged`."""
    circular = find(tx, discussion, public_id, lock=True)
    if not circular.is_draft:
        return Receipt()
    _refuse_changed(circular, version)
    _note(tx, Deed.DISCARDED, discussion, circular, by)
    return erasures.erase_circular(tx, circular, letters=tx.settings.mail.folder)


def queue(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> None:
    """Owe a circular to everybody in its groups, if it is still the `version` that was seen; a
    second time changes nothing. Raises `NoSuchCircular`, `CircularChanged`, `NoLinkToJoin`,
    `NobodyToWriteTo`."""
    tx.hold_keys()
    # Locked first: nobody who is owed a letter is erased meanwhile.
    tx.refresh(discussion, with_for_update=True)
    circular = find(tx, discussion, public_id, lock=True)
    if circular.queued_at and circular.version == version:
        return
    _refuse_changed(circular, version)
    wording, join_url = circular.wording(tx.keys), discussion.content.join_url
    if not join_url and placeholders.has_link_placeholder(wording.text):
        raise NoLinkToJoin("This discussion has no link to join, which this letter has in it.")
    has_link = placeholders.has_link(wording, join_url)
    wanted = recipients.recipients(discussion, circular.groups, has_link=has_link, now=tx.now)
    ids = tx.scalars(wanted.order_by(Registration.id)).all()
    if not ids:
        raise NobodyToWriteTo("Nobody is in the groups that this letter goes to.")
    outbox.post_all(
        tx,
        ids,
        LetterKind.CIRCULAR,
        revision=discussion.version,
        host=tx.settings.host,
        occasion=circular.public_id,
        circular_id=circular.id,
    )
    circular.queued_at, circular.organizer_id, circular.count = tx.now, by, len(ids)
    _note(tx, Deed.QUEUED, discussion, circular, by)


def stop(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Send a circular to nobody who has not got it yet; a draft, or one that was stopped, stays
    what it is.

    Who has a letter of it in hand finds that out when it is to be written. Raises
    `NoSuchCircular`.
    """
    circular = find(tx, discussion, public_id, lock=True)
    if circular.state is not CircularState.QUEUED:
        return
    circular.stopped_at = tx.now
    tx.flush()
    dropped = outbox.drop_waiting(tx, Letter.circular_id == circular.id)
    audit_log.note(tx, Deed.STOPPED, by=by, slug=discussion.slug, count=dropped)


def try_out(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Owe an organizer a draft as a letter, to look at. Raises `NoSuchCircular`."""
    circular = find(tx, discussion, public_id)
    version = discussion.version
    outbox.post_test(tx, by, circular.id, revision=version, host=tx.settings.host)
    audit_log.note(tx, Deed.TESTED, by=by, slug=discussion.slug)


def wording_of(tx: Transaction, letter: Letter) -> Wording | None:
    """Return what a letter hands on; None if its circular was stopped or erased, or is no letter
    that hands one on."""
    if letter.circular_id is None:
        return None
    circular = tx.get(Circular, letter.circular_id, populate_existing=True)
    return circular.wording(tx.keys) if circular and not circular.stopped_at else None


def _refuse_changed(circular: Circular, version: int) -> None:
    if circular.version != version or not circular.is_draft:
        raise CircularChanged("This letter is not any more what you have seen.")


def _note(tx: Transaction, deed: Deed, discussion: Discussion, circular: Circular, by: int) -> None:
    """Write what was done to a circular: to whom it goes, never what it says."""
    to, owed = ", ".join(circular.groups), circular.count or None
    audit_log.note(tx, deed, by=by, slug=discussion.slug, count=owed, detail=to)
