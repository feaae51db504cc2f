"""Prepares claimed letters: what each says now, or why it cannot be written."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy.orm import Session

from .. import outbox
from ..config import Settings
from ..crypto.key_ring import Ring
from ..mail import letters
from ..models import Discussion, Letter, LetterKind, Registration
from ..services.mailings import mailings, preview
from ..services.notices import change_notices
from ..services.seats import allocation


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
    if not outbox.is_owed(session, letter):
        return None
    if letter.organizer_id is not None:
        test = preview.test_letter(session, letter, ring=ring, settings=settings, now=now)
        return Written(test, _typed_into(test), None) if test else None
    registration = session.get(Registration, letter.registration_id)
    if registration is None:
        return None
    discussion = session.get_one(Discussion, registration.discussion_id)
    place = allocation.waiting_before(session, registration) + 1
    last = outbox.last_sent_at(session, registration.id)
    is_telling = letter.kind in letters.TELLING
    told = change_notices.last_told(session, registration) if is_telling else None
    message = letters.compose(
        letter,
        registration,
        discussion,
        ring=ring,
        settings=settings,
        now=now,
        place=place,
        told=told,
        stamp=max(now, last + timedelta(seconds=1)) if last else now,
        wording=mailings.wording_of(session, letter, ring),
    )
    if message is None:
        return None
    if _is_left_to_a_change(session, letter, discussion):
        is_telling = False
    tells = discussion.version if is_telling else None
    private: tuple[str, ...] = (registration.attendee(ring).name,)
    if letter.kind is LetterKind.CIRCULAR:
        private += _typed_into(message)
    return Written(message, private, tells)


def _typed_into(message: EmailMessage) -> tuple[str, ...]:
    """Return the words of a circular's subject, which is sealed here, and which servers quote."""
    return tuple(re.findall(r"\w+", str(message["Subject"])))


def _is_left_to_a_change(session: Session, letter: Letter, discussion: Discussion) -> bool:
    """Whether another letter, which takes the entry out of the calendar, tells what is off."""
    if letter.kind is LetterKind.CHANGE or not discussion.is_cancelled:
        return False
    return outbox.owes(session, letter.registration_id, LetterKind.CHANGE)


def record(
    session: Session,
    letter: Letter,
    answer: str,
    *,
    tells: int | None,
    settings: Settings,
    now: datetime,
) -> bool:
    """Record that a letter was accepted, and what its attendee knows now.

    A change that was taken back while the letter was under way is told by another. Returns False
    if nothing was recorded: the registration is erased, or another hand has it.
    """
    if tells is None:
        return outbox.mark_sent(session, letter, answer, now)
    registration = session.get(Registration, letter.registration_id)
    if registration is None:
        return outbox.mark_sent(session, letter, answer, now)
    # Locked first: an amendment sees what this letter has told, or this sees the amendment.
    discussion = session.get_one(
        Discussion, registration.discussion_id, with_for_update={"read": True}
    )
    if not outbox.mark_sent(session, letter, answer, now):
        return False
    change_notices.has_told(session, registration.id, tells)
    if discussion.loud_version > tells:
        change_notices.owe(session, discussion, settings=settings, now=now, only=registration.id)
    return True
