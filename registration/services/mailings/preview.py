"""Shows a mailing before it is sent: on screen as a real attendee would get it, or as an invented
one would, in a test letter to the organizer."""

from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage

from ...config import Settings
from ...crypto.key_ring import KeyRing
from ...database import Transaction
from ...links import Links
from ...mail import letters, placeholders
from ...mail.placeholders import Paragraph
from ...models import (
    Discussion,
    Group,
    Letter,
    LetterKind,
    Mailing,
    Organizer,
    Registration,
)
from ...text import addresses
from ...text.languages import gettext as _
from ...text.languages import use_language
from ..catalog import NoSuchDiscussion
from ..organizers import accounts
from ..registrations import example
from ..registrations.example import PLACEHOLDER
from . import recipients


@dataclass(frozen=True, slots=True)
class Preview:
    """A mailing as one attendee would get it: the letter, and its text on their own page.

    `number` counts the attendees from 0; `total` is 0 if the attendee is invented, because the
    groups are empty. `lacks_link` is true if it contains the link to join and there is none.
    """

    message: EmailMessage | None
    subject: str
    paragraphs: list[Paragraph]
    name: str
    number: int
    total: int
    lacks_link: bool


def preview(tx: Transaction, discussion: Discussion, mailing: Mailing, number: int) -> Preview:
    """Return a mailing as attendee `number` of its recipients would get it, without their links.

    `number` counts from 0, and starts again after the last.
    """
    wording = mailing.wording(tx.keys)
    has_link = placeholders.has_link(wording, join_url := discussion.content.join_url)
    total = recipients.count(tx, discussion, mailing.groups, has_link=has_link)
    number = number % total if total else 0
    recipient = _nth(tx, discussion, mailing, number, has_link=has_link)
    if recipient:
        registration = _without_links(recipient, tx.keys)
    else:
        registration = _invented(
            discussion,
            mailing,
            f"{PLACEHOLDER}@example.org",
            ring=tx.keys,
            settings=tx.settings,
            now=tx.now,
        )
    attendee = registration.attendee(tx.keys)
    message = letters.compose(
        Letter(kind=LetterKind.MAILING, public_id=PLACEHOLDER),
        registration,
        discussion,
        ring=tx.keys,
        settings=tx.settings,
        now=tx.now,
        place=0,
        wording=wording,
    )
    with use_language(attendee.language):
        values = placeholders.values(discussion, attendee, Links(tx.settings.public_url))
    parts = placeholders.paragraphs(wording.text, values)
    subject = placeholders.fill(wording.subject, values)
    lacks_link = not join_url and placeholders.has_link_placeholder(wording.text)
    return Preview(message, subject, parts, attendee.shown_name, number, total, lacks_link)


def test_letter(tx: Transaction, letter: Letter) -> EmailMessage | None:
    """Return a mailing's test letter to the organizer, with no attendee's data in it.

    None if the mailing is erased, or the organizer no longer has its discussion.
    """
    mailing = tx.get(Mailing, letter.mailing_id) if letter.mailing_id else None
    organizer = tx.get(Organizer, letter.organizer_id)
    if mailing is None or organizer is None or organizer.removed_at:
        return None
    discussion = tx.get_one(Discussion, mailing.discussion_id)
    try:
        accounts.run_by(tx, organizer, discussion.slug)
    except NoSuchDiscussion:
        return None
    address = addresses.parse(organizer.identity(tx.keys).address).sent
    registration = _invented(
        discussion, mailing, address, ring=tx.keys, settings=tx.settings, now=tx.now
    )
    return letters.compose(
        letter,
        registration,
        discussion,
        ring=tx.keys,
        settings=tx.settings,
        now=tx.now,
        place=0,
        wording=mailing.wording(tx.keys),
    )


def _nth(
    tx: Transaction, discussion: Discussion, mailing: Mailing, number: int, *, has_link: bool
) -> Registration | None:
    wanted = recipients.select_ids(discussion, mailing.groups, has_link=has_link, now=tx.now)
    registration_id = tx.scalar(wanted.order_by(Registration.id).offset(number).limit(1))
    return tx.get(Registration, registration_id) if registration_id is not None else None


def _without_links(original: Registration, ring: KeyRing) -> Registration:
    """Return a copy outside of any session, with tokens that do not work: organizers must not get
    an attendee's links.

    Its address counts as proved: otherwise the letter may only lead to the page with the text.
    """
    names = ("public_id", "confirmed_at", "seated_at", "erase_at")
    shown = Registration(**{name: getattr(original, name) for name in names})
    shown.address_proved_at = original.confirmed_at
    shown.seal(
        replace(original.attendee(ring), token=PLACEHOLDER, calendar_token=PLACEHOLDER), ring
    )
    return shown


def _invented(
    discussion: Discussion,
    mailing: Mailing,
    address: str,
    *,
    ring: KeyRing,
    settings: Settings,
    now: datetime,
) -> Registration:
    """Return somebody who does not exist, as the mailing's group would have them."""
    made_up = example.registration(
        discussion, _("Alex Example"), address, ring=ring, settings=settings, now=now
    )
    if mailing.groups == [Group.WAITING]:
        made_up.seated_at = None
    return made_up
