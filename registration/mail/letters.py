"""The letters, one function each: what each says is decided when it is sent.

A function returns None when what its letter would tell is no longer true; the letter is then
dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from ..calendars import personal
from ..config import Settings
from ..crypto.key_ring import KeyRing
from ..links import Links, sign_new_address
from ..models import (
    Attendee,
    Discussion,
    DiscussionStatus,
    Essentials,
    Letter,
    LetterKind,
    Registration,
    RegistrationStatus,
    Wording,
    address_index,
)
from ..text import addresses
from ..text.languages import use_language
from . import placeholders
from .mime import Envelope, Invitation, write


@dataclass(frozen=True)
class Case:
    """What a letter is written from: one registration as it is now."""

    letter: Letter
    registration: Registration
    discussion: Discussion
    attendee: Attendee
    settings: Settings
    ring: KeyRing
    now: datetime
    place: int  # on the waiting list, if the registration waits
    told: Essentials | None  # what its attendee was last told
    stamp: datetime  # DTSTAMP: later than that of any entry sent before
    wording: Wording | None = None  # of a circular, unless it was stopped

    @property
    def links(self) -> Links:
        return Links(self.settings.public_url)

    def write(
        self, folder: str, invitation: Invitation | None = None, **context: object
    ) -> EmailMessage:
        """Return the letter of the templates in `mail/<folder>`, to the attendee's address."""
        context = {"was": self.told} | context
        recipient = str(context.pop("recipient", self.attendee.address))
        discreet = self.discussion.content.discreet
        envelope = Envelope(
            recipient,
            self.letter.message_id,
            self.settings,
            is_discreet=discreet,
            at=self.now,
            unsubscribe=self.unsubscribe,
        )
        return write(
            "discreet" if discreet else folder,
            envelope,
            invitation,
            kind=self.letter.kind.value,
            discussion=self.discussion,
            registration=self.registration,
            attendee=self.attendee,
            tense=self.discussion.when.tense(self.now),
            links=self.links,
            settings=self.settings,
            has_entry=invitation is not None,
            is_open=self.discussion.takes_registrations(self.now),
            personal_link=self.links.registration(self.attendee.token),
            **context,
        )

    @property
    def unsubscribe(self) -> str | None:
        """Where circulars are stopped. A test goes to an organizer, who has nothing to stop."""
        if self.letter.kind is not LetterKind.CIRCULAR or self.letter.organizer_id:
            return None
        return self.links.circulars(self.registration.public_id, self.attendee.token)

    @property
    def guest(self) -> personal.Guest:
        return personal.Guest.of(self.discussion, self.registration, self.attendee.address)


def address_confirmation(case: Case) -> EmailMessage | None:
    """Ask whoever reads the address to confirm: never with the name that somebody typed."""
    if case.registration.status is not RegistrationStatus.UNCONFIRMED:
        return None
    return case.write("address_confirmation")


def confirmation(case: Case) -> EmailMessage | None:
    """Tell an attendee everything, with the invitation for their calendar."""
    if case.registration.status is not RegistrationStatus.CONFIRMED:
        return None
    return case.write("confirmation", _entry(case))


def seat(case: Case) -> EmailMessage | None:
    """Tell somebody who has waited that they have a seat, and all that a confirmation tells."""
    is_confirmed = case.registration.status is RegistrationStatus.CONFIRMED
    if not is_confirmed or case.discussion.is_cancelled or case.discussion.is_over(case.now):
        return None
    return case.write("seat", _entry(case))


def reminder(case: Case) -> EmailMessage | None:
    """Remind an attendee of what is to begin, with the link to join."""
    is_on = case.discussion.status is DiscussionStatus.PUBLISHED
    is_coming = case.now < case.discussion.starts_at
    is_confirmed = case.registration.status is RegistrationStatus.CONFIRMED
    return case.write("reminder") if is_on and is_coming and is_confirmed else None


def follow_up(case: Case) -> EmailMessage | None:
    """Tell who asked for it what came of the discussion; their entry gains the recording."""
    registered = {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}
    is_wanted = case.registration.status in registered and case.registration.wants_follow_up
    if not is_wanted or not case.discussion.has_follow_up(case.now):
        return None
    return case.write("follow_up", _entry(case))


def waiting(case: Case) -> EmailMessage | None:
    """Tell somebody their place on the waiting list. No seat, no invitation."""
    if case.registration.status is not RegistrationStatus.WAITING:
        return None
    return case.write("waiting", place=case.place)


def already_registered(case: Case) -> EmailMessage | None:
    """Tell an attendee that their address was typed again, and that nothing has changed."""
    registered = {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}
    if case.registration.status not in registered:
        return None
    return case.write("already_registered", place=case.place)


def link(case: Case) -> EmailMessage:
    """Send the personal link to somebody who asked for it."""
    return case.write("link")


def address_change(case: Case) -> EmailMessage | None:
    """Ask whoever reads the new address to confirm the change."""
    new = case.attendee.new_address
    if not new or case.registration.withdrawn_at:
        return None
    index = address_index(case.ring, case.discussion.uid, addresses.parse(new))
    signed = sign_new_address(case.ring.secret("links"), case.registration.public_id, index)
    return case.write("address_change", recipient=new, change_link=case.links.new_address(signed))


def withdrawal(case: Case) -> EmailMessage | None:
    """Confirm a withdrawal, and take the entry out of the calendar that has it.

    Who has sent the form again, and not confirmed yet, has the old entry still.
    """
    if case.registration.status in {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}:
        return None
    invitation = None
    invited = case.registration.calendar_sequence > 0
    if invited and personal.can_invite(case.discussion, case.attendee.address):
        content = personal.cancellation(case.discussion, case.guest, case.stamp, case.links)
        invitation = Invitation("CANCEL", content)
    return case.write("withdrawal", invitation)


def change(case: Case) -> EmailMessage | None:
    """Tell what was and what is, since the attendee was last told, with the updated entry."""
    status = case.registration.status
    was, is_now = case.told, case.discussion.essentials
    if status is RegistrationStatus.WAITING:
        was, is_now = was and was.without_link(), is_now.without_link()
    elif status is not RegistrationStatus.CONFIRMED:
        return None
    if is_now.when.ends_at <= case.now or (was and not is_now.is_news_after(was)):
        return None
    if is_now.is_cancelled:
        return case.write("cancellation", _cancelled(case))
    return case.write("change", _entry(case), was=was)


def circular(case: Case) -> EmailMessage | None:
    """Hand on what an organizer wrote, unless it was stopped, by them or by who would get it; a
    link to join only to who has a seat."""
    registered = {RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING}
    status, wording = case.registration.status, case.wording
    is_wanted = status in registered and not case.registration.circulars_stopped_at
    if wording is None or not is_wanted:
        return None
    has_link = placeholders.has_link(wording, case.discussion.content.join_url)
    if has_link and status is not RegistrationStatus.CONFIRMED:
        return None
    found = placeholders.values(case.discussion, case.registration, case.attendee, case.links)
    return case.write(
        "circular",
        subject=placeholders.filled(wording.subject, found),
        text=placeholders.filled(wording.text, found),
        paragraphs=placeholders.paragraphs(wording.text, found),
        is_test=case.letter.organizer_id is not None,
    )


def _entry(case: Case) -> Invitation | None:
    """Return the calendar entry of who has a seat, unless it is off or calendars ignore it."""
    if case.discussion.is_cancelled or not _can_have_entry(case):
        return None
    content = personal.request(case.discussion, case.guest, case.stamp, case.links)
    return Invitation("REQUEST", content)


def _cancelled(case: Case) -> Invitation | None:
    if not _can_have_entry(case):
        return None
    content = personal.cancelled(case.discussion, case.guest, case.stamp, case.links)
    return Invitation("CANCEL", content)


def _can_have_entry(case: Case) -> bool:
    is_seated = case.registration.status is RegistrationStatus.CONFIRMED
    return is_seated and personal.can_invite(case.discussion, case.attendee.address)


_LETTERS: dict[LetterKind, Callable[[Case], EmailMessage | None]] = {
    LetterKind.ADDRESS_CONFIRMATION: address_confirmation,
    LetterKind.CONFIRMATION: confirmation,
    LetterKind.WAITING: waiting,
    LetterKind.ALREADY_REGISTERED: already_registered,
    LetterKind.LINK: link,
    LetterKind.ADDRESS_CHANGE: address_change,
    LetterKind.WITHDRAWAL: withdrawal,
    LetterKind.CHANGE: change,
    LetterKind.SEAT: seat,
    LetterKind.REMINDER: reminder,
    LetterKind.FOLLOW_UP: follow_up,
    LetterKind.CIRCULAR: circular,
}
# After these, an attendee knows what the discussion is now.
TELLING = frozenset(
    {
        LetterKind.CONFIRMATION,
        LetterKind.WAITING,
        LetterKind.SEAT,
        LetterKind.CHANGE,
    }
)


def compose(
    letter: Letter,
    registration: Registration,
    discussion: Discussion,
    *,
    ring: KeyRing,
    settings: Settings,
    now: datetime,
    place: int,
    told: Essentials | None = None,
    stamp: datetime | None = None,
    wording: Wording | None = None,
) -> EmailMessage | None:
    """Return the letter as it is to be sent at `now`, in its registration's language."""
    case = Case(
        letter,
        registration,
        discussion,
        registration.attendee(ring),
        settings,
        ring,
        now,
        place,
        told,
        stamp or now,
        wording,
    )
    with use_language(registration.language):
        return _LETTERS[letter.kind](case)
