"""Erases registrations: their rows, the letters owed or kept, all that is personal."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ..mail import maildir
from ..models import Erasure, Letter, Registration
from . import seating

# How many registrations one transaction erases: nobody who registers waits long for it.
BATCH = 200


def erase(
    session: Session, registration: Registration, *, letters: Path | None, now: datetime
) -> None:
    """Erase one registration for good. `letters` is the folder of kept letters, if there is one.

    What remains is its random id, so that a restored backup can be erased again, and, until the
    day ends, how many letters its address may still get (`throttling`). Where somebody else has
    just erased it, nothing is left to do.
    """
    with seating.changing(session, registration.discussion_id, now):
        if not seating.is_still_there(session, registration):
            return
        _discard_letters(session, registration, letters)
        session.execute(insert(Erasure).values(public_id=registration.public_id, at=now))
        session.execute(delete(Letter).where(Letter.registration_id == registration.id))
        session.delete(registration)


def erase_due(session: Session, *, letters: Path | None, now: datetime) -> int:
    """Erase a batch of registrations whose time has come, and return how many."""
    due = session.scalars(
        select(Registration)
        .where(Registration.erase_at <= now)
        .order_by(Registration.discussion_id, Registration.erase_at)
        .limit(BATCH)
    ).all()
    for registration in due:
        erase(session, registration, letters=letters, now=now)
    return len(due)


def _discard_letters(session: Session, registration: Registration, letters: Path | None) -> None:
    if letters is None:
        return
    owed = select(Letter.message_id).where(Letter.registration_id == registration.id)
    for message_id in session.scalars(owed):
        maildir.discard(letters, maildir.key_of(message_id))
