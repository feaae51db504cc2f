"""Prepares claimed letters: what each says now, or why it cannot be written."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from ..mail import letters, outbox
from ..models import Discussion, Letter, Registration
from ..sealing import Ring
from ..settings import Settings
from . import seating


@dataclass(frozen=True, slots=True)
class Written:
    """A letter as it is to be sent, and the words that nothing kept of a server may repeat."""

    message: EmailMessage
    private: tuple[str, ...]


def written(
    session: Session, letter: Letter, *, ring: Ring, settings: Settings, now: datetime
) -> Written | None:
    """Return the letter as it is to be sent; None if nobody is owed it any more."""
    registration = session.get(Registration, letter.registration_id)
    if registration is None or not outbox.is_owed(session, letter):
        return None
    discussion = session.get_one(Discussion, registration.discussion_id)
    place = seating.waiting_before(session, registration) + 1
    message = letters.compose(
        letter, registration, discussion, ring=ring, settings=settings, now=now, place=place
    )
    return Written(message, (registration.attendee(ring).name,)) if message else None
