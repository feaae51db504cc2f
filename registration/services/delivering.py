"""Prepares claimed letters: what each says now, or why it cannot be written."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from ..mail import letters, outbox
from ..models import Discussion, Letter, LetterKind, Registration
from ..sealing import Ring
from ..settings import Settings
from . import seating, telling


@dataclass(frozen=True, slots=True)
class Written:
    """A letter as it is to be sent, and the words that nothing kept of a server may repeat.

    `tells` is the version of the discussion that its attendee knows afterwards; None if it tells
    nothing of that.
    """

    message: EmailMessage
    private: tuple[str, ...]
    tells: int | None


def written(
    session: Session, letter: Letter, *, ring: Ring, settings: Settings, now: datetime
) -> Written | None:
    """Return the letter as it is to be sent; None if nobody is owed it any more."""
    registration = session.get(Registration, letter.registration_id)
    if registration is None or not outbox.is_owed(session, letter):
        return None
    discussion = session.get_one(Discussion, registration.discussion_id)
    place = seating.waiting_before(session, registration) + 1
    is_change = letter.kind is LetterKind.CHANGE
    told = telling.last_told(session, registration) if is_change else None
    message = letters.compose(
        letter,
        registration,
        discussion,
        ring=ring,
        settings=settings,
        now=now,
        place=place,
        told=told,
    )
    if message is None:
        return None
    tells = discussion.version if letter.kind in letters.TELLING else None
    return Written(message, (registration.attendee(ring).name,), tells)


def record(
    session: Session, letter: Letter, answer: str, *, tells: int | None, now: datetime
) -> bool:
    """Record that a letter was accepted, and what its attendee knows now.

    Returns False if nothing was recorded: the registration is erased, or another hand has it.
    """
    if not outbox.mark_sent(session, letter, answer, now):
        return False
    if tells is not None and letter.registration_id is not None:
        telling.has_told(session, letter.registration_id, tells)
    return True
