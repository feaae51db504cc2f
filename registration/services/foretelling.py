"""Foretells how many letters a change would owe: counted, with nothing written and nobody kept
waiting, for pages that say so before the button is pressed."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from ..models import (
    Announcement,
    Discussion,
    DiscussionStatus,
    Essentials,
    Letter,
    LetterKind,
    LetterState,
    Registration,
    RegistrationStatus,
)
from . import cancelling, counting, following_up, publishing, telling
from .standing import stands


def published(
    session: Session, discussion: Discussion, announcement: Announcement, *, now: datetime
) -> int:
    """Return how many letters publishing this would owe to those who come.

    Raises `MovedIntoThePast`.
    """
    changed = publishing.differences(discussion.announcement, announcement)
    if not changed and discussion.is_public:
        return 0
    publishing.refuse_past(discussion, announcement, now)
    content = announcement.content
    would_be = Essentials(announcement.when, discussion.is_cancelled, content.join_url)
    owed = telling.count(session, discussion, would_be, now=now)
    if discussion.is_cancelled:
        return owed
    if announcement.seats != discussion.seats:
        owed += _promoted(session, discussion, announcement, now)
    return owed + following_up.count(session, discussion, content)


def cancelled(session: Session, discussion: Discussion, *, now: datetime) -> int:
    """Return how many letters cancelling it would owe. Raises `NotCancelled`."""
    cancelling.refuse_to_cancel(discussion, now)
    would_be = replace(discussion.essentials, is_cancelled=True)
    return telling.count(session, discussion, would_be, now=now)


def restored(session: Session, discussion: Discussion, *, now: datetime) -> int:
    """Return how many letters it would owe to let it take place after all.

    Raises `NotCancelled`.
    """
    cancelling.refuse_to_restore(discussion, now)
    would_be = replace(discussion.essentials, is_cancelled=False)
    return telling.count(session, discussion, would_be, now=now) + _untold(session, discussion)


def _promoted(
    session: Session, discussion: Discussion, announcement: Announcement, now: datetime
) -> int:
    """Return how many who wait would get a seat."""
    would_be = Discussion(slug=discussion.slug, status=DiscussionStatus.PUBLISHED)
    would_be.announcement = announcement
    if would_be.is_over(now):
        return 0
    people = counting.people(session, discussion)
    if announcement.seats is None:
        return people.waiting
    held = select(func.count()).where(
        Registration.discussion_id == discussion.id,
        stands(RegistrationStatus.UNCONFIRMED),
        Registration.seated_at.is_not(None),
        Registration.seat_held_until > now,
    )
    free = announcement.seats - people.confirmed - session.scalars(held).one()
    return min(people.waiting, max(0, free))


def _untold(session: Session, discussion: Discussion) -> int:
    """Return how many have a seat whose letter was dropped while the discussion was off."""
    later = aliased(Letter)
    is_told = exists().where(
        later.registration_id == Letter.registration_id,
        later.kind.in_([LetterKind.SEAT, LetterKind.CONFIRMATION]),
        later.state != LetterState.DROPPED,
        later.id > Letter.id,
    )
    is_dropped = and_(Letter.kind == LetterKind.SEAT, Letter.state == LetterState.DROPPED)
    untold = (
        select(func.count(Registration.id.distinct()))
        .join(Letter, Letter.registration_id == Registration.id)
        .where(
            Registration.discussion_id == discussion.id,
            Registration.seated_at.is_not(None),
            is_dropped,
            ~is_told,
        )
    )
    return session.scalars(untold).one()
