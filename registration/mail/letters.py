"""The letters, one function each, called when the letter is sent.

A function returns None if the content of its letter is no longer true; the letter is then dropped.
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
class LetterContext:
    """The data that a letter is composed from: one registration as it is now."""

    letter: Letter
    registration: Registration
    discussion: Discussion
    attendee: Attendee
    settings: Settings
    ring: KeyRing
    now: datetime
    place: int  # on the waiting list, if the registration waits
    told: Essentials | None  # the essentials that the attendee was last told
    stamp: datetime  # DTSTAMP: later than that of any entry sent before
    wording: Wording | None = None  # of a mailing, unless it was stopped

    @property
    def links(self) -> Links:
        return Links(self.settings.public_url)

    def write(
        self, folder: str, invitation: Invitation | None = None, **values: object
    ) -> EmailMessage:
        """Return the letter of the templates in `mail/<folder>`, to the attendee's address."""
        values = {"was": self.told} | values
        recipient = str(values.pop("recipient", self.attendee.address))
        envelope = Envelope(
            recipient,
            self.letter.message_id(self.ring, self.settings.host),
            self.settings,
            is_discreet=self.is_discreet,
            at=self.now,
            unsubscribe=self.unsubscribe,
        )
        return write(
            "discreet" if self.is_discreet else folder,
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
            is_proved=self.is_proved,
            answers_erase_at=self.answers_erase_at,
            **values,
        )

    @property
    def is_proved(self) -> bool:
        """Whether the attendee is known to read the address.

        Anybody may have typed the address and all else: until then a letter contains nothing that
        was typed, and no link to join.
        """
        return self.registration.address_proved_at is not None

    @property
    def answers_erase_at(self) -> datetime | None:
        """When answers and attendance are erased, if that is earlier than all else."""
        if not self.settings.at_risk or not self.registration.has_confirmed:
            return None
        at = self.discussion.answers_erase_at(self.registration.registered_at)
        return at if self.now < at < self.registration.erase_at else None

    @property
    def is_discreet(self) -> bool:
        return self.discussion.content.is_discreet(self.settings)

    @property
    def unsubscribe(self) -> str | None:
        """The link that stops mailings. A test letter has none: it goes to an organizer."""
        if self.letter.kind is not LetterKind.MAILING or self.letter.organizer_id:
            return None
        return self.links.mailings(self.registration.public_id, self.attendee.token)

    @property
    def guest(self) -> personal.Guest:
        return personal.Guest.of(self.discussion, self.registration, self.attendee.address)


def address_confirmation(context: LetterContext) -> EmailMessage | None:
    """Ask the owner of the address to confirm. The letter does not contain the typed name.

    Anybody can type an address that is not their own.
    """
    if context.registration.status is not RegistrationStatus.UNCONFIRMED:
        return None
    return context.write("address_confirmation")


def confirmation(context: LetterContext) -> EmailMessage | None:
    """Confirm a registration, with the invitation for the attendee's calendar."""
    if context.registration.status is not RegistrationStatus.CONFIRMED:
        return None
    return context.write("confirmation", _entry(context))


def seat(context: LetterContext) -> EmailMessage | None:
    """Tell an attendee from the waiting list that they have a seat; else as a confirmation."""
    is_confirmed = context.registration.status is RegistrationStatus.CONFIRMED
    if (
        not is_confirmed
        or context.discussion.is_cancelled
        or context.discussion.is_over(context.now)
    ):
        return None
    return context.write("seat", _entry(context))


def reminder(context: LetterContext) -> EmailMessage | None:
    """Remind an attendee that the discussion begins soon, with the join link."""
    is_on = context.discussion.status is DiscussionStatus.PUBLISHED
    is_coming = context.now < context.discussion.starts_at
    is_confirmed = context.registration.status is RegistrationStatus.CONFIRMED
    return context.write("reminder") if is_on and is_coming and is_confirmed else None


def follow_up(context: LetterContext) -> EmailMessage | None:
    """Send recording and afterword to an attendee who asked for them, with the updated entry."""
    is_wanted = context.registration.is_registered and context.registration.wants_follow_up
    if not is_wanted or not context.discussion.has_follow_up(context.now):
        return None
    return context.write("follow_up", _entry(context))


def waiting(context: LetterContext) -> EmailMessage | None:
    """Tell an attendee their place on the waiting list; without a seat there is no invitation."""
    if context.registration.status is not RegistrationStatus.WAITING:
        return None
    return context.write("waiting", place=context.place)


def already_registered(context: LetterContext) -> EmailMessage | None:
    """Tell an attendee that somebody typed their address again, and that nothing has changed."""
    if not context.registration.is_registered:
        return None
    return context.write("already_registered", place=context.place)


def link(context: LetterContext) -> EmailMessage:
    """Send the personal link to an attendee who asked for it."""
    return context.write("link")


def address_change(context: LetterContext) -> EmailMessage | None:
    """Ask the owner of the new address to confirm the change."""
    new = context.attendee.new_address
    if not new or context.registration.is_withdrawn:
        return None
    index = address_index(context.ring, context.discussion.uid, addresses.parse(new))
    signed = sign_new_address(context.ring.secret("links"), context.registration.public_id, index)
    return context.write(
        "address_change", recipient=new, change_link=context.links.new_address(signed)
    )


def withdrawal(context: LetterContext) -> EmailMessage | None:
    """Confirm a withdrawal, and cancel the calendar entry if one was sent.

    An attendee who has registered again, and not confirmed yet, still has the old entry.
    """
    if context.registration.is_registered:
        return None
    invitation = None
    invited = context.registration.calendar_sequence > 0
    if invited and personal.can_invite(context.discussion, context.attendee.address):
        content = _written(personal.cancellation, context)
        invitation = Invitation("CANCEL", content)
    return context.write("withdrawal", invitation)


def change(context: LetterContext) -> EmailMessage | None:
    """Tell an attendee what has changed since they were last told, with the updated entry."""
    status = context.registration.status
    was, is_now = context.told, context.discussion.essentials
    if status is RegistrationStatus.WAITING:
        was, is_now = was and was.without_link(), is_now.without_link()
    elif status is not RegistrationStatus.CONFIRMED:
        return None
    if is_now.when.ends_at <= context.now or (was and not is_now.is_news_after(was)):
        return None
    if is_now.is_cancelled:
        return context.write("cancellation", _cancelled(context))
    return context.write("change", _entry(context), was=was)


def mailing(context: LetterContext) -> EmailMessage | None:
    """Send a mailing, unless it was stopped; one with the join link only to attendees with a seat.

    If it has that link or a name, an address that is not proved gets the link to the own page.
    """
    status, wording = context.registration.status, context.wording
    is_wanted = context.registration.is_registered and not context.registration.mailings_stopped_at
    if wording is None or not is_wanted:
        return None
    has_link = placeholders.has_link(wording, context.discussion.content.join_url)
    if has_link and status is not RegistrationStatus.CONFIRMED:
        return None
    if not context.is_proved and (has_link or placeholders.has_name(wording)):
        return context.write("discreet")
    values = placeholders.values(context.discussion, context.attendee, context.links)
    return context.write(
        "mailing",
        subject=placeholders.fill(wording.subject, values),
        text=placeholders.fill(wording.text, values),
        paragraphs=placeholders.paragraphs(wording.text, values),
        is_test=context.letter.organizer_id is not None,
    )


def _entry(context: LetterContext) -> Invitation | None:
    """Return the invitation; None if cancelled, without a seat, or ignored by the calendar."""
    if context.discussion.is_cancelled or not _can_have_entry(context):
        return None
    return Invitation("REQUEST", _written(personal.request, context))


def _cancelled(context: LetterContext) -> Invitation | None:
    if not _can_have_entry(context):
        return None
    return Invitation("CANCEL", _written(personal.cancelled, context))


def _written(entry: Callable[..., bytes], context: LetterContext) -> bytes:
    """Return the attendee's calendar entry of a letter, by one of the functions of `personal`."""
    return entry(
        context.discussion,
        context.guest,
        context.stamp,
        context.links,
        is_discreet=context.is_discreet,
    )


def _can_have_entry(context: LetterContext) -> bool:
    is_seated = context.registration.status is RegistrationStatus.CONFIRMED
    return is_seated and personal.can_invite(context.discussion, context.attendee.address)


_LETTERS: dict[LetterKind, Callable[[LetterContext], EmailMessage | None]] = {
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
    LetterKind.MAILING: mailing,
}
# These tell an attendee the discussion's current essentials.
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
    """Return the letter as it is to be sent at `now`, in the attendee's language.

    None if its content is no longer true.
    """
    context = LetterContext(
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
    with use_language(context.attendee.language):
        return _LETTERS[letter.kind](context)
