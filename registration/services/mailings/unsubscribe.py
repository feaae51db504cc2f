"""Lists the mailings that an attendee got, and stops or resumes them."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from ... import outbox
from ...database import Transaction, comparable
from ...links import Links, sign_mailings
from ...mail import placeholders
from ...mail.placeholders import Paragraph
from ...models import Discussion, Letter, LetterState, Mailing, Registration, RegistrationStatus
from ..registrations import unconfirmed_forms
from ..registrations.self_service import NoSuchRegistration


@dataclass(frozen=True, slots=True)
class ReceivedMailing:
    """A mailing as its attendee reads it on their own page."""

    at: datetime
    subject: str
    paragraphs: list[Paragraph]


def by_link(tx: Transaction, signed: str) -> tuple[Registration, Discussion]:
    """Return the registration of the signed link in its mailings, or raise
    `NoSuchRegistration`."""
    public_id = signed.partition("-")[0]
    found = tx.execute(
        select(Registration, Discussion)
        .join(Discussion, Discussion.id == Registration.discussion_id)
        .where(Registration.public_id == comparable(public_id))
    ).one_or_none()
    if found is None:
        raise NoSuchRegistration
    registration, discussion = found
    tokens = [
        registration.attendee(tx.keys).token,
        *unconfirmed_forms.former_tokens(tx, registration),
    ]
    right = (sign_mailings(public_id, token).encode() for token in tokens)
    if not any(hmac.compare_digest(link, signed.encode()) for link in right):
        raise NoSuchRegistration
    return registration, discussion


def stop(tx: Transaction, registration: Registration) -> None:
    """Send an attendee no more mailings, and drop those owed; other letters are still sent."""
    if registration.mailings_stopped_at is None:
        registration.mailings_stopped_at = tx.now
    tx.flush()
    outbox.drop_waiting(tx, Letter.registration_id == registration.id)


def resume(registration: Registration) -> None:
    """Send mailings to an attendee again, from the next one on."""
    registration.mailings_stopped_at = None


def list_received(
    tx: Transaction, registration: Registration, discussion: Discussion, links: Links
) -> list[ReceivedMailing]:
    """Return the mailings that an attendee was sent or is owed, the newest first.

    Those with the link to join are left out unless the attendee has a seat.
    """
    is_coming = and_(Letter.state == LetterState.OWED, Mailing.stopped_at.is_(None))
    is_there = Letter.state.in_([LetterState.SENT, LetterState.FAILED])
    rows = tx.execute(
        select(Letter.posted_at, Mailing)
        .join(Mailing, Mailing.id == Letter.mailing_id)
        .where(Letter.registration_id == registration.id, or_(is_there, is_coming))
        .order_by(Letter.id.desc())
    )
    values = placeholders.values(discussion, registration.attendee(tx.keys), links)
    has_seat = registration.status is RegistrationStatus.CONFIRMED
    join_url, shown = discussion.content.join_url, []
    for at, mailing in rows:
        wording = mailing.wording(tx.keys)
        if has_seat or not placeholders.has_link(wording, join_url):
            subject = placeholders.fill(wording.subject, values)
            shown.append(
                ReceivedMailing(at, subject, placeholders.paragraphs(wording.text, values))
            )
    return shown
