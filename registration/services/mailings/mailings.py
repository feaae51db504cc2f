"""Drafts, tests, queues and stops circulars: letters of an organizer to groups of attendees."""

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
from ...refusals import N_, Refusal
from .. import audit_log
from ..erasure import erasures
from ..erasure.erasures import Receipt
from . import recipients


class NoSuchCircular(Refusal):
    """The discussion has no circular of that id."""

    sentence = N_("There is no such letter.")


class CircularChanged(Refusal):
    """Somebody has changed or queued the circular since it was looked at."""

    sentence = N_("This letter is not any more what you have seen.")


class NobodyToWriteTo(Refusal):
    """The groups of a circular are empty, or everybody in them has stopped circulars."""

    sentence = N_("Nobody is in the groups that this letter goes to.")


class NoLinkToJoin(Refusal):
    """A circular contains the link to join, and the discussion has none."""

    sentence = N_("This discussion has no link to join, which this letter has in it.")


@dataclass(frozen=True, slots=True)
class Draft:
    """A circular as an organizer typed it, validated, placeholders too."""

    subject: str
    text: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A circular's letters by state, without those of erased attendees."""

    owed: int = 0
    sent: int = 0
    failed: int = 0
    held: int = 0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """How many are not sent yet, including those that a restore holds back."""
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
        raise NoSuchCircular
    return found


def list_all(tx: Transaction, discussion: Discussion) -> list[tuple[Circular, Progress]]:
    """Return a discussion's circulars, the newest first, each with its progress."""
    circulars = tx.scalars(
        select(Circular).where(Circular.discussion_id == discussion.id).order_by(Circular.id.desc())
    ).all()
    return [(item, progress(tx, item)) for item in circulars]


def progress(tx: Transaction, circular: Circular) -> Progress:
    """Return the number of a circular's letters by state, without tests."""
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
    """Save a new draft, or change the one with `public_id` if it still has the `version` that was
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
    _note_deed(tx, Deed.DRAFTED, discussion, circular, by)
    return circular


def discard(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> Receipt:
    """Erase a draft if it still has the `version` that was seen; one that was queued meanwhile
    stays. Raises `NoSuchCircular`, `CircularChanged`."""
    circular = find(tx, discussion, public_id, lock=True)
    if not circular.is_draft:
        return Receipt()
    _refuse_changed(circular, version)
    _note_deed(tx, Deed.DISCARDED, discussion, circular, by)
    return erasures.erase_circular(tx, circular, letters=tx.settings.mail.folder)


def queue(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> None:
    """Owe a circular to everybody in its groups, if it still has the `version` that was seen.

    A second time changes nothing. Raises `NoSuchCircular`, `CircularChanged`, `NoLinkToJoin`,
    `NobodyToWriteTo`.
    """
    tx.hold_keys()
    # Locked first, so that nobody in the groups is erased meanwhile.
    tx.refresh(discussion, with_for_update=True)
    circular = find(tx, discussion, public_id, lock=True)
    if circular.queued_at and circular.version == version:
        return
    _refuse_changed(circular, version)
    wording, join_url = circular.wording(tx.keys), discussion.content.join_url
    if not join_url and placeholders.has_link_placeholder(wording.text):
        raise NoLinkToJoin
    has_link = placeholders.has_link(wording, join_url)
    to_write_to = recipients.select_ids(discussion, circular.groups, has_link=has_link, now=tx.now)
    ids = tx.scalars(to_write_to.order_by(Registration.id)).all()
    if not ids:
        raise NobodyToWriteTo
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
    _note_deed(tx, Deed.QUEUED, discussion, circular, by)


def stop(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Drop a queued circular's letters that are not sent yet; in any other state, do nothing.

    A worker that has claimed one of them finds that out when it composes the letter. Raises
    `NoSuchCircular`.
    """
    circular = find(tx, discussion, public_id, lock=True)
    if circular.state is not CircularState.QUEUED:
        return
    circular.stopped_at = tx.now
    tx.flush()
    dropped = outbox.drop_waiting(tx, Letter.circular_id == circular.id)
    audit_log.note(tx, Deed.STOPPED, by=by, slug=discussion.slug, count=dropped)


def send_test(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Owe the organizer a test letter of a circular. Raises `NoSuchCircular`."""
    circular = find(tx, discussion, public_id)
    version = discussion.version
    outbox.post_test(tx, by, circular.id, revision=version, host=tx.settings.host)
    audit_log.note(tx, Deed.TESTED, by=by, slug=discussion.slug)


def wording_of(tx: Transaction, letter: Letter) -> Wording | None:
    """Return subject and text of a letter's circular; None if it has none, or its circular was
    stopped or erased."""
    if letter.circular_id is None:
        return None
    circular = tx.get(Circular, letter.circular_id, populate_existing=True)
    return circular.wording(tx.keys) if circular and not circular.stopped_at else None


def _refuse_changed(circular: Circular, version: int) -> None:
    if circular.version != version or not circular.is_draft:
        raise CircularChanged


def _note_deed(
    tx: Transaction, deed: Deed, discussion: Discussion, circular: Circular, by: int
) -> None:
    """Write a deed to the audit log: with the circular's groups, never its text."""
    to, owed = ", ".join(circular.groups), circular.count or None
    audit_log.note(tx, deed, by=by, slug=discussion.slug, count=owed, detail=to)
