"""The letters that tell organizers of a change to their own account, called when they are sent.

They name neither the site nor any discussion, as a discreet letter does, and contain no link: a
forged letter of this kind would ask to press one.
"""

from datetime import datetime
from email.message import EmailMessage

from ..config import Settings
from ..crypto.key_ring import KeyRing
from ..links import Links
from ..models import Identity, Letter
from ..text import addresses
from ..text.languages import DEFAULT_LANGUAGE, use_language
from .mime import Envelope, write


def compose(
    letter: Letter, identity: Identity, *, ring: KeyRing, settings: Settings, now: datetime
) -> EmailMessage:
    """Return the letter as it is to be sent at `now`. The change was made when it was posted."""
    recipient = addresses.parse(identity.address).sent
    message_id = letter.message_id(ring, settings.host)
    envelope = Envelope(recipient, message_id, settings, is_discreet=True, at=now)
    _scheme, _, desk = Links(settings.public_url).desk().partition("://")
    with use_language(DEFAULT_LANGUAGE):
        return write(
            letter.kind.value,
            envelope,
            None,
            changed_at=letter.posted_at,
            desk=desk,
            contact_address=settings.contact,
        )
