"""Shows a circular before it goes out: as a real attendee would get it, on the organizer's screen;
or as a made-up one would, in a letter to the organizer."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage

from ...config import Settings
from ...crypto.key_ring import KeyRing
from ...database import Transaction
from ...links import Links
from ...mail import letters, placeholders
from ...mail.placeholders import Paragraph
from ...models import (
    Attendee,
    Circular,
    Discussion,
    Group,
    Letter,
    LetterKind,
    Organizer,
    Registration,
)
from ...text import addresses
from ...text.languages import gettext as _
from ...text.languages import language, use_language
from ..catalog import NoSuchDiscussion
from ..organizers import accounts
from . import recipients

# What stands for random values of somebody who does not exist: no link with it leads anywhere.
NOBODY = "example"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A circular as one attendee would get it: the letter, and what their own page says.

    It is the `number`th of `total`; of 0, if it is made up, for want of anybody. It `lacks_link` if
    it has the link to join in it, and there is none.
    """

    message: EmailMessage | None
    subject: str
    paragraphs: list[Paragraph]
    name: str
    number: int
    total: int
    lacks_link: bool


def rehearse(tx: Transaction, discussion: Discussion, circular: Circular, number: int) -> Rehearsal:
    """Return a circular as the `number`th attendee whom it goes to would get it, counted from 0
    and beginning anew after the last; but without their personal links."""
    wording = circular.wording(tx.keys)
    has_link = placeholders.has_link(wording, join_url := discussion.content.join_url)
    total = recipients.count(tx, discussion, circular.groups, has_link=has_link)
    number = number % total if total else 0
    found = _nth(tx, discussion, circular, number, has_link=has_link)
    if found:
        registration = _without_links(found, tx.keys)
    else:
        registration = _made_up(
            discussion,
            circular,
            f"{NOBODY}@example.org",
            ring=tx.keys,
            settings=tx.settings,
            now=tx.now,
        )
    attendee = registration.attendee(tx.keys)
    message = letters.compose(
        Letter(kind=LetterKind.CIRCULAR, message_id=f"<{NOBODY}@{tx.settings.host}>"),
        registration,
        discussion,
        ring=tx.keys,
        settings=tx.settings,
        now=tx.now,
        place=0,
        wording=wording,
    )
    with use_language(registration.language):
        values = placeholders.values(
            discussion, registration, attendee, Links(tx.settings.public_url)
        )
    parts = placeholders.paragraphs(wording.text, values)
    subject = placeholders.fill(wording.subject, values)
    lacks_link = not join_url and placeholders.has_link_placeholder(wording.text)
    return Rehearsal(message, subject, parts, attendee.name, number, total, lacks_link)


def test_letter(tx: Transaction, letter: Letter) -> EmailMessage | None:
    """Return the letter that lets an organizer try a circular out, with nothing in it of any
    attendee; None if there is no such circular any more, or the organizer has not got its
    discussion any more."""
    circular = tx.get(Circular, letter.circular_id) if letter.circular_id else None
    organizer = tx.get(Organizer, letter.organizer_id)
    if circular is None or organizer is None or organizer.removed_at:
        return None
    discussion = tx.get_one(Discussion, circular.discussion_id)
    try:
        accounts.run_by(tx, organizer, discussion.slug)
    except NoSuchDiscussion:
        return None
    address = addresses.parse(organizer.identity(tx.keys).address).sent
    registration = _made_up(
        discussion, circular, address, ring=tx.keys, settings=tx.settings, now=tx.now
    )
    return letters.compose(
        letter,
        registration,
        discussion,
        ring=tx.keys,
        settings=tx.settings,
        now=tx.now,
        place=0,
        wording=circular.wording(tx.keys),
    )


def _nth(
    tx: Transaction, discussion: Discussion, circular: Circular, number: int, *, has_link: bool
) -> Registration | None:
    wanted = recipients.recipients(discussion, circular.groups, has_link=has_link, now=tx.now)
    found = tx.scalar(wanted.order_by(Registration.id).offset(number).limit(1))
    return tx.get(Registration, found) if found is not None else None


def _without_links(found: Registration, ring: KeyRing) -> Registration:
    """Return a registration as no table has it, whose links lead nowhere: an organizer needs none
    of them to see how a letter looks."""
    names = ("public_id", "language", "zone", "confirmed_at", "seated_at", "erase_at")
    shown = Registration(**{name: getattr(found, name) for name in names})
    shown.seal(replace(found.attendee(ring), token=NOBODY, calendar_token=NOBODY), ring)
    return shown


def _made_up(
    discussion: Discussion,
    circular: Circular,
    address: str,
    *,
    ring: KeyRing,
    settings: Settings,
    now: datetime,
) -> Registration:
    """Return somebody who does not exist, as the circular's group would have them."""
    person = Attendee(NOBODY, NOBODY, NOBODY, name=_("Alex Example"), address=address)
    registration = Registration(public_id=NOBODY, language=language(), confirmed_at=now)
    registration.seated_at = None if circular.groups == [Group.WAITING] else now
    last = max(discussion.ends_at, now)
    registration.erase_at = last + timedelta(days=settings.retention_days)
    registration.seal(person, ring)
    return registration
