"""A registration of somebody who does not exist, to preview a letter with."""

from datetime import datetime

from ...config import Settings
from ...crypto.key_ring import KeyRing
from ...models import Attendee, Discussion, Registration
from ...text.languages import language
from ..seats import retention

# In place of every random value: no page answers to a link that has it.
PLACEHOLDER = "example"


def registration(
    discussion: Discussion,
    name: str,
    address: str,
    *,
    ring: KeyRing,
    settings: Settings,
    now: datetime,
) -> Registration:
    """Return a confirmed registration with a seat, in the language of the moment. It is in no
    database. It has no name if the form of the discussion asks for none."""
    if discussion.content.name_rule(settings) == "none":
        name = ""
    found = Registration(
        public_id=PLACEHOLDER,
        registered_at=now,
        confirmed_at=now,
        address_proved_at=now,
        seated_at=now,
        erase_at=retention.erase_at(discussion, now, settings),
        calendar_sequence=0,
        told_revision=0,
        wants_follow_up=False,
    )
    attendee = Attendee(PLACEHOLDER, PLACEHOLDER, PLACEHOLDER, name, address, language=language())
    found.seal(attendee, ring)
    return found
