"""Prepares claimed letters: what each says now, or why it cannot be written."""

import re
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

from .. import outbox
from ..database import Transaction
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


def written(tx: Transaction, letter: Letter) -> Written | None:
    """Return the letter as it is to be sent; None if nobody is owed it any more."""
    if not outbox.is_owed(tx, letter):
        return None
    if letter.organizer_id is not None:
        test = preview.test_letter(tx, letter)
        return Written(test, _typed_into(test), None) if test else None
    registration = tx.get(Registration, letter.registration_id)
    if registration is None:
        return None
    discussion = tx.get_one(Discussion, registration.discussion_id)
    place = allocation.waiting_before(tx, registration) + 1
    last = outbox.last_sent_at(tx, registration.id)
    is_telling = letter.kind in letters.TELLING
    told = change_notices.last_told_essentials(tx, registration) if is_telling else None
    message = letters.compose(
        letter,
        registration,
        discussion,
        ring=tx.keys,
        settings=tx.settings,
        now=tx.now,
        place=place,
        told=told,
        stamp=max(tx.now, last + timedelta(seconds=1)) if last else tx.now,
        wording=mailings.wording_of(tx, letter),
    )
    if message is None:
        return None
    if _is_left_to_a_change(tx, letter, discussion):
        is_telling = False
    tells = discussion.version if is_telling else None
    private: tuple[str, ...] = (registration.attendee(tx.keys).name,)
    if letter.kind is LetterKind.CIRCULAR:
        private += _typed_into(message)
    return Written(message, private, tells)


def _typed_into(message: EmailMessage) -> tuple[str, ...]:
    """Return the words of a circular's subject, which is sealed here, and which servers quote."""
    return tuple(re.findall(r"\w+", str(message["Subject"])))


def _is_left_to_a_change(tx: Transaction, letter: Letter, discussion: Discussion) -> bool:
    """Whether another letter, which takes the entry out of the calendar, tells what is off."""
    if letter.kind is LetterKind.CHANGE or not discussion.is_cancelled:
        return False
    return outbox.owes(tx, letter.registration_id, LetterKind.CHANGE)


def record(tx: Transaction, letter: Letter, answer: str, *, tells: int | None) -> bool:
    """Record that a letter was accepted, and what its attendee knows now.

    A change that was taken back while the letter was under way is told by another. Returns False
    if nothing was recorded: the registration is erased, or another hand has it.
    """
    if tells is None:
        return outbox.mark_sent(tx, letter, answer)
    registration = tx.get(Registration, letter.registration_id)
    if registration is None:
        return outbox.mark_sent(tx, letter, answer)
    # Locked first: an amendment sees what this letter has told, or this sees the amendment.
    discussion = tx.get_one(Discussion, registration.discussion_id, with_for_update={"read": True})
    if not outbox.mark_sent(tx, letter, answer):
        return False
    change_notices.note_told(tx, registration.id, tells)
    if discussion.loud_version > tells:
        change_notices.owe_changes(tx, discussion, only=registration.id)
    return True
