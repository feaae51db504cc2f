"""Composition of claimed letters from the current data, and the record of what they told."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from .. import outbox
from ..database import Transaction, to_minute
from ..mail import letters, organizer_letters
from ..models import (
    TO_ORGANIZERS,
    Discussion,
    Letter,
    LetterKind,
    Organizer,
    PendingForm,
    Registration,
)
from ..services.mailings import mailings, preview
from ..services.notices import change_notices
from ..services.registrations import unconfirmed_forms
from ..services.seats import allocation


@dataclass(frozen=True, slots=True)
class ComposedLetter:
    """A letter as it is to be sent, and the private words to redact from the server's answer.

    `tells` is the version of the discussion that the letter tells its attendee; None if the letter
    does not tell the discussion's essentials.
    """

    message: EmailMessage
    private: tuple[str, ...]
    tells: int | None


def compose(tx: Transaction, letter: Letter) -> ComposedLetter | None:
    """Return the letter as it is to be sent; None if it is no longer owed or no longer true."""
    if not outbox.is_owed(tx, letter):
        return None
    if letter.kind in TO_ORGANIZERS:
        return _compose_to_organizer(tx, letter)
    if letter.organizer_id is not None:
        test = preview.test_letter(tx, letter)
        return ComposedLetter(test, _subject_words(test), None) if test else None
    registration = _registration_of(tx, letter)
    if registration is None:
        return None
    discussion = tx.get_one(Discussion, registration.discussion_id)
    place = allocation.waiting_before(tx, registration) + 1
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
        stamp=_stamp(tx, registration),
        wording=mailings.wording_of(tx, letter),
    )
    if message is None:
        return None
    if _is_left_to_a_change(tx, letter, discussion):
        is_telling = False
    tells = discussion.version if is_telling else None
    private: tuple[str, ...] = (registration.attendee(tx.keys).name,)
    if letter.kind is LetterKind.MAILING:
        private += _subject_words(message)
    return ComposedLetter(message, private, tells)


def _stamp(tx: Transaction, registration: Registration) -> datetime:
    """Return the DTSTAMP of the next entry: later than that of every entry sent before.

    The minute of the last letter is known, not its second. So an entry has the present minute, or
    the last letter's if the clock was set back, and as many seconds as letters were sent before.
    """
    count, last = outbox.sent_before(tx, registration.id)
    now = to_minute(tx.now)
    return max(now, last or now) + timedelta(seconds=count)


def _compose_to_organizer(tx: Transaction, letter: Letter) -> ComposedLetter | None:
    """Return a letter about an organizer's account; None if the organizer is removed."""
    organizer = tx.get(Organizer, letter.organizer_id)
    if organizer is None or organizer.removed_at:
        return None
    identity = organizer.identity(tx.keys)
    message = organizer_letters.compose(
        letter, identity, ring=tx.keys, settings=tx.settings, now=tx.now
    )
    return ComposedLetter(message, (), None)


def _registration_of(tx: Transaction, letter: Letter) -> Registration | None:
    """Return the registration that a letter is about: as its pending form has it, if it has one.

    None if it is erased, or if the form can no longer be confirmed.
    """
    registration = tx.get(Registration, letter.registration_id)
    if registration is None or letter.pending_form_id is None:
        return registration
    form = tx.get(PendingForm, letter.pending_form_id, populate_existing=True)
    if form is None or form.passed_at:
        return None
    return unconfirmed_forms.shown(tx, form, registration)


def _subject_words(message: EmailMessage) -> tuple[str, ...]:
    """Return the words of a mailing's subject: it is sealed at rest, and servers may quote it."""
    return tuple(re.findall(r"\w+", str(message["Subject"])))


def _is_left_to_a_change(tx: Transaction, letter: Letter, discussion: Discussion) -> bool:
    """Whether another owed letter tells the attendee of the cancellation, with the entry's end."""
    if letter.kind is LetterKind.CHANGE or not discussion.is_cancelled:
        return False
    return outbox.has_owed(tx, letter.registration_id, LetterKind.CHANGE)


def record_sent(tx: Transaction, letter: Letter, answer: str, *, tells: int | None) -> bool:
    """Record that a letter was accepted, and the version that it told its attendee.

    If the discussion has changed since the letter was composed, post a change notice. Returns False
    if nothing was recorded: the registration is erased, or another worker has the letter.
    """
    if tells is None:
        return outbox.mark_sent(tx, letter, answer)
    registration = tx.get(Registration, letter.registration_id)
    if registration is None:
        return outbox.mark_sent(tx, letter, answer)
    # Lock the discussion first: a concurrent amendment sees what this letter told, or this
    # transaction sees the amendment.
    discussion = tx.get_one(Discussion, registration.discussion_id, with_for_update={"read": True})
    if not outbox.mark_sent(tx, letter, answer):
        return False
    change_notices.note_told(tx, registration.id, tells)
    if discussion.loud_version > tells:
        change_notices.owe_changes(tx, discussion, only=registration.id)
    return True
