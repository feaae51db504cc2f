"""Circulars on the side of who gets them: what was written to them, and that they want no more."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from ... import outbox
from ...database import Transaction, comparable
from ...links import Links, sign_circulars
from ...mail import placeholders
from ...mail.placeholders import Paragraph
from ...models import Circular, Discussion, Letter, LetterState, Registration, RegistrationStatus
from ..registrations.self_service import NoSuchRegistration


@dataclass(frozen=True, slots=True)
class Received:
    """A circular as its attendee reads it on their own page."""

    at: datetime
    subject: str
    paragraphs: list[Paragraph]


def by_link(tx: Transaction, signed: str) -> tuple[Registration, Discussion]:
    """Return the registration to which the link in its circulars belongs, or raise
    `NoSuchRegistration`."""
    public_id = signed.partition("-")[0]
    found = tx.execute(
        select(Registration, Discussion)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(Registration.public_id == comparable(public_id))
    ).one_or_none()
    if found is None:
        raise NoSuchRegistration("There is no registration under this link.")
    registration, discussion = found
    right = sign_circulars(public_id, registration.attendee(tx.keys).token)
    if not hmac.compare_digest(right.encode(), signed.encode()):
        raise NoSuchRegistration("There is no registration under this link.")
    return registration, discussion


def stop(tx: Transaction, registration: Registration) -> None:
    """Send no more circulars to an attendee, also none that is owed; other letters go on."""
    if registration.circulars_stopped_at is None:
        registration.circulars_stopped_at = tx.now
    tx.flush()
    outbox.drop_waiting(tx, Letter.registration_id == registration.id)


def resume(registration: Registration) -> None:
    """Send circulars to an attendee again, from the next one on."""
    registration.circulars_stopped_at = None


def received(
    tx: Transaction, registration: Registration, discussion: Discussion, links: Links
) -> list[Received]:
    """Return what organizers wrote to an attendee, the last first: what has been sent, or is about
    to be. A link to join is shown only to who has a seat."""
    is_coming = and_(Letter.state == LetterState.OWED, Circular.stopped_at.is_(None))
    is_there = Letter.state.in_([LetterState.SENT, LetterState.FAILED])
    rows = tx.execute(
        select(Letter.posted_at, Circular)
        .join(Circular, Circular.id == Letter.circular_id)
        .where(Letter.registration_id == registration.id, or_(is_there, is_coming))
        .order_by(Letter.id.desc())
    )
    found = placeholders.values(discussion, registration, registration.attendee(tx.keys), links)
    has_seat = registration.status is RegistrationStatus.CONFIRMED
    join_url, shown = discussion.content.join_url, []
    for at, circular in rows:
        wording = circular.wording(tx.keys)
        if has_seat or not placeholders.has_link(wording, join_url):
            subject = placeholders.fill(wording.subject, found)
            shown.append(Received(at, subject, placeholders.paragraphs(wording.text, found)))
    return shown
