"""Publishes, amends and unpublishes discussions."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ...database import Transaction
from ...models import Announcement, Discussion, DiscussionStatus
from ...refusals import N_, N_ngettext, Refusal
from ..catalog import find
from ..notices import follow_ups
from ..seats import allocation
from . import change, reschedule
from .change import Before


class IdentityTaken(Refusal):
    """The UID belongs to another discussion."""

    sentence = N_("%(slug)s: the uid %(uid)s belongs to the discussion %(other)s.")


class IdentityChanged(IdentityTaken):
    """The discussion has another UID, which it keeps for life."""

    sentence = N_(
        "%(slug)s has the uid %(uid)s, which never changes: write it so, or leave uid out."
    )


class PublishedMeanwhile(IdentityTaken):
    """Somebody else published a discussion of that slug at the same moment."""

    sentence = N_("%(slug)s was published by somebody else just now: try again.")


class GivesSeats(reschedule.MustBeTold):
    """Registrations on the waiting list would get seats, and not be told."""

    sentence = N_ngettext(
        "%(slug)s: %(num)s person who waits would get a seat, and must be told so: it cannot be "
        "published quietly.",
        "%(slug)s: %(num)s people who wait would get seats, and must be told so: it cannot be "
        "published quietly.",
    )


class MovedIntoThePast(Refusal):
    """A discussion that is still to come would be over: only quiet publishing allows that."""

    sentence = N_(
        "%(slug)s is still to come, and would be over: correct its time, or publish it quietly."
    )


class Outcome(StrEnum):
    """What publishing did."""

    PUBLISHED = "published"
    AMENDED = "amended"
    UNCHANGED = "unchanged"
    LEFT_ALONE = "left alone"


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing one announcement did: the names of changed fields, the number of letters
    owed, and whether the discussion is, and stays, cancelled."""

    slug: str
    outcome: Outcome
    changed: list[str]
    letters: int = 0
    is_cancelled: bool = False


def publish(
    tx: Transaction,
    announcement: Announcement,
    *,
    keep_edits: bool = False,
    quiet: bool = False,
    from_file: bool = True,
) -> Publication:
    """Publish an announcement, as a new discussion or an amendment of the one with its slug.

    Publishing the same announcement again changes nothing. With `keep_edits`, a discussion that was
    edited elsewhere since its file was last published, or unpublished, is left alone. Without
    `from_file`, this is such an edit. Attendees are owed a letter when the essentials change, and
    none if it is `quiet`. Raises `IdentityTaken`, `MovedIntoThePast`, `MustBeTold`.
    """
    slug = announcement.slug
    discussion = tx.scalar(select(Discussion).where(Discussion.slug == slug).with_for_update())
    if discussion is None:
        _add(tx, announcement, quiet=quiet, from_file=from_file)
        return Publication(slug, Outcome.PUBLISHED, [])
    _refuse_other_identity(discussion, announcement)
    is_off = discussion.status is DiscussionStatus.UNPUBLISHED
    if from_file and discussion.file_digest == announcement.digest and not is_off:
        return Publication(slug, Outcome.UNCHANGED, [])
    changed = differences(discussion.announcement, announcement)
    was_edited = discussion.announcement.digest != discussion.file_digest
    if keep_edits and (is_off or (was_edited and changed)):
        return Publication(slug, Outcome.LEFT_ALONE, [])
    if from_file:
        discussion.file_digest = announcement.digest
    if not changed and not is_off:
        return Publication(slug, Outcome.UNCHANGED, [])
    owed = _amend(tx, discussion, announcement, quiet=quiet)
    outcome = Outcome.PUBLISHED if is_off else Outcome.AMENDED
    return Publication(slug, outcome, changed, owed, discussion.is_cancelled)


def differences(before: Announcement, after: Announcement) -> list[str]:
    """Return the names of the fields that differ, as in a discussion file."""
    old, new = before.as_json(), after.as_json()
    old |= old.pop("content") | {"time": old.pop("when")}
    new |= new.pop("content") | {"time": new.pop("when")}
    return [name for name in new if old[name] != new[name]]


def _add(tx: Transaction, announcement: Announcement, *, quiet: bool, from_file: bool) -> None:
    taken = select(Discussion.slug).where(Discussion.uid == announcement.uid)
    if announcement.uid and (other := tx.scalar(taken)):
        raise IdentityTaken(slug=announcement.slug, uid=announcement.uid, other=other)
    discussion = Discussion(
        slug=announcement.slug,
        uid=announcement.uid or f"{uuid.uuid4()}@{tx.settings.host}",
        status=DiscussionStatus.PUBLISHED,
        published_at=tx.now,
        changed_at=tx.now,
        time_set_at=tx.now,
        file_digest=announcement.digest if from_file else None,
        organizer_address=str(tx.settings.mail_from),
        sequence=0,
        version=1,
    )
    discussion.announcement = announcement
    tx.add(discussion)
    try:
        tx.flush()
    except IntegrityError:
        raise PublishedMeanwhile(slug=announcement.slug) from None
    change.keep_revision(tx, discussion)
    if not quiet:
        follow_ups.plan(tx, discussion, None)


def _amend(
    tx: Transaction, discussion: Discussion, announcement: Announcement, *, quiet: bool
) -> int:
    """Store the announcement and its consequences; return how many letters that owes."""
    if not quiet:
        refuse_past(discussion, announcement, tx.now)
    before, content, seats = Before.of(discussion), discussion.content, discussion.seats
    returned = discussion.status is DiscussionStatus.UNPUBLISHED
    discussion.announcement = announcement
    if returned:
        discussion.status = public_status(discussion)
    resets_reminders = returned or discussion.content.reminders != content.reminders
    changes = change.follow(tx, discussion, before, quiet=quiet, resets_reminders=resets_reminders)
    promoted = 0
    if discussion.seats != seats:
        promoted = allocation.promote(tx, discussion)
    if quiet:
        _refuse_promoted(discussion, promoted)
        return 0
    return changes + promoted + follow_ups.plan(tx, discussion, content)


def public_status(discussion: Discussion) -> DiscussionStatus:
    """Return the status of a discussion once it is published."""
    return DiscussionStatus.CANCELLED if discussion.is_cancelled else DiscussionStatus.PUBLISHED


def _refuse_promoted(discussion: Discussion, promoted: int) -> None:
    if promoted:
        raise GivesSeats(slug=discussion.slug, num=promoted)


def _refuse_other_identity(discussion: Discussion, announcement: Announcement) -> None:
    if announcement.uid not in {None, discussion.uid}:
        raise IdentityChanged(slug=discussion.slug, uid=discussion.uid)


def refuse_past(discussion: Discussion, announcement: Announcement, now: datetime) -> None:
    """Raise `MovedIntoThePast` if a discussion that is still to come would be over."""
    if announcement.when.ends_at <= now < discussion.ends_at:
        raise MovedIntoThePast(slug=discussion.slug)


def unpublish(tx: Transaction, slug: str) -> None:
    """Unpublish a discussion: its page and file answer 410, and its UID is kept."""
    discussion = find(tx, slug, lock=True)
    if discussion.status is not DiscussionStatus.UNPUBLISHED:
        before = Before.of(discussion)
        discussion.status = DiscussionStatus.UNPUBLISHED
        change.follow(tx, discussion, before, quiet=True)
