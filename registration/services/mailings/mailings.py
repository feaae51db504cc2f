"""Drafts, tests, queues and stops mailings: letters of an organizer to groups of attendees."""

import secrets
from dataclasses import dataclass

from sqlalchemy import func, select

from ... import outbox
from ...database import Transaction, comparable
from ...mail import placeholders
from ...models import (
    Deed,
    Discussion,
    Group,
    Letter,
    LetterKind,
    Mailing,
    MailingState,
    Registration,
    Wording,
)
from ...refusals import N_, Refusal
from .. import audit_log
from ..erasure import erasures
from ..erasure.erasures import Receipt
from . import recipients


class NoSuchMailing(Refusal):
    """The discussion has no mailing of that id."""

    sentence = N_("There is no such letter.")


class MailingChanged(Refusal):
    """Somebody has changed or queued the mailing since it was looked at."""

    sentence = N_("This letter is not any more what you have seen.")


class NobodyToWriteTo(Refusal):
    """The groups of a mailing are empty, or everybody in them has stopped mailings."""

    sentence = N_("Nobody is in the groups that this letter goes to.")


class NoLinkToJoin(Refusal):
    """A mailing contains the link to join, and the discussion has none."""

    sentence = N_("This discussion has no link to join, which this letter has in it.")


@dataclass(frozen=True, slots=True)
class Draft:
    """A mailing as an organizer typed it, validated, placeholders too."""

    subject: str
    text: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A mailing's letters by state, without those of erased attendees."""

    owed: int = 0
    sent: int = 0
    failed: int = 0
    held: int = 0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """How many are not sent yet, including those that a restore holds back."""
        return self.owed + self.held


def find(tx: Transaction, discussion: Discussion, public_id: str, *, lock: bool = False) -> Mailing:
    """Return a mailing of a discussion, or raise `NoSuchMailing`."""
    named = select(Mailing).where(
        Mailing.discussion_id == discussion.id, Mailing.public_id == comparable(public_id)
    )
    found = tx.scalar(named.with_for_update() if lock else named)
    if found is None:
        raise NoSuchMailing
    return found


def list_all(tx: Transaction, discussion: Discussion) -> list[tuple[Mailing, Progress]]:
    """Return a discussion's mailings, the newest first, each with its progress."""
    mailings = tx.scalars(
        select(Mailing).where(Mailing.discussion_id == discussion.id).order_by(Mailing.id.desc())
    ).all()
    return [(item, progress(tx, item)) for item in mailings]


def progress(tx: Transaction, mailing: Mailing) -> Progress:
    """Return the number of a mailing's letters by state, without tests."""
    counted = (
        select(Letter.state, func.count())
        .where(Letter.mailing_id == mailing.id, Letter.registration_id.is_not(None))
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
) -> Mailing:
    """Save a new draft, or change the one with `public_id` if it still has the `version` that was
    seen. Raises `NoSuchMailing`, `MailingChanged`."""
    tx.hold_keys()
    if public_id is None:
        mailing = Mailing(public_id=secrets.token_hex(16), discussion_id=discussion.id, version=1)
        tx.add(mailing)
    else:
        mailing = find(tx, discussion, public_id, lock=True)
        _refuse_changed(mailing, version)
        mailing.version += 1
    mailing.seal(Wording(mailing.public_id, draft.subject, draft.text), tx.keys)
    mailing.groups = [group.value for group in draft.groups]
    mailing.organizer_id, mailing.written_at = by, tx.now
    _note_deed(tx, Deed.DRAFTED, discussion, mailing, by)
    return mailing


def discard(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> Receipt:
    """Erase a draft if it still has the `version` that was seen; one that was queued meanwhile
    stays. Raises `NoSuchMailing`, `MailingChanged`."""
    mailing = find(tx, discussion, public_id, lock=True)
    if not mailing.is_draft:
        return Receipt()
    _refuse_changed(mailing, version)
    _note_deed(tx, Deed.DISCARDED, discussion, mailing, by)
    return erasures.erase_mailing(tx, mailing, letters=tx.settings.mail.folder)


def queue(
    tx: Transaction, discussion: Discussion, public_id: str, version: int, *, by: int
) -> None:
    """Owe a mailing to everybody in its groups, if it still has the `version` that was seen.

    A second time changes nothing. Raises `NoSuchMailing`, `MailingChanged`, `NoLinkToJoin`,
    `NobodyToWriteTo`.
    """
    tx.hold_keys()
    # Locked first, so that nobody in the groups is erased meanwhile.
    tx.refresh(discussion, with_for_update=True)
    mailing = find(tx, discussion, public_id, lock=True)
    if mailing.queued_at and mailing.version == version:
        return
    _refuse_changed(mailing, version)
    wording, join_url = mailing.wording(tx.keys), discussion.content.join_url
    if not join_url and placeholders.has_link_placeholder(wording.text):
        raise NoLinkToJoin
    has_link = placeholders.has_link(wording, join_url)
    to_write_to = recipients.select_ids(discussion, mailing.groups, has_link=has_link, now=tx.now)
    ids = tx.scalars(to_write_to.order_by(Registration.id)).all()
    if not ids:
        raise NobodyToWriteTo
    outbox.post_all(
        tx,
        ids,
        LetterKind.MAILING,
        revision=discussion.version,
        occasion=mailing.public_id,
        mailing_id=mailing.id,
    )
    mailing.queued_at, mailing.organizer_id, mailing.count = tx.now, by, len(ids)
    _note_deed(tx, Deed.QUEUED, discussion, mailing, by)


def stop(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Drop a queued mailing's letters that are not sent yet; in any other state, do nothing.

    A worker that has claimed one of them finds that out when it composes the letter. Raises
    `NoSuchMailing`.
    """
    mailing = find(tx, discussion, public_id, lock=True)
    if mailing.state is not MailingState.QUEUED:
        return
    mailing.stopped_at = tx.now
    tx.flush()
    dropped = outbox.drop_waiting(tx, Letter.mailing_id == mailing.id)
    audit_log.note(tx, Deed.STOPPED, by=by, slug=discussion.slug, count=dropped)


def send_test(tx: Transaction, discussion: Discussion, public_id: str, *, by: int) -> None:
    """Owe the organizer a test letter of a mailing. Raises `NoSuchMailing`."""
    mailing = find(tx, discussion, public_id)
    version = discussion.version
    outbox.post_test(tx, by, mailing.id, revision=version)
    audit_log.note(tx, Deed.TESTED, by=by, slug=discussion.slug)


def wording_of(tx: Transaction, letter: Letter) -> Wording | None:
    """Return subject and text of a letter's mailing; None if it has none, or its mailing was
    stopped or erased."""
    if letter.mailing_id is None:
        return None
    mailing = tx.get(Mailing, letter.mailing_id, populate_existing=True)
    return mailing.wording(tx.keys) if mailing and not mailing.stopped_at else None


def _refuse_changed(mailing: Mailing, version: int) -> None:
    if mailing.version != version or not mailing.is_draft:
        raise MailingChanged


def _note_deed(
    tx: Transaction, deed: Deed, discussion: Discussion, mailing: Mailing, by: int
) -> None:
    """Write a deed to the audit log: with the mailing's groups, never its text."""
    to, owed = ", ".join(mailing.groups), mailing.count or None
    audit_log.note(tx, deed, by=by, slug=discussion.slug, count=owed, detail=to)
