"""Prepares claimed letters: what each says now, or why it cannot be written."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from ..mail import letters
from ..models import Discussion, Letter, Registration
from ..sealing import Ring
from ..settings import Settings
from . import seating


def written(
    session: Session, letter: Letter, *, ring: Ring, settings: Settings, now: datetime
) -> EmailMessage | None:
    """Return the letter as it is to be sent; None if nobody is owed it any more."""
    registration = session.get(Registration, letter.registration_id)
    if registration is None:
        return None
    discussion = session.get_one(Discussion, registration.discussion_id)
    place = seating.waiting_before(session, registration) + 1
    return letters.compose(
        letter, registration, discussion, ring=ring, settings=settings, now=now, place=place
    )
