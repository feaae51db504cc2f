"""Lists what happened to one registration and its letters, in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from ...database import Transaction
from ...models import Letter, LetterState, Registration


class EventKind(StrEnum):
    """What happened; `NEXT_TRY` is still to come."""

    REGISTERED = "registered"
    CONFIRMED = "confirmed"
    SEATED = "seated"
    WITHDRAWN = "withdrawn"
    ATTENDED = "attended"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"
    HELD = "held"
    NEXT_TRY = "next try"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, and the letter that it is about, if any."""

    at: datetime
    what: EventKind
    letter: Letter | None = None


_ENDS = {
    LetterState.FAILED: EventKind.FAILED,
    LetterState.DROPPED: EventKind.DROPPED,
    LetterState.HELD: EventKind.HELD,
}


def events_of(tx: Transaction, registration: Registration) -> list[Event]:
    """Return the events of a registration and of its letters, the earliest first."""
    letters = tx.scalars(
        select(Letter).where(Letter.registration_id == registration.id).order_by(Letter.id)
    )
    events = [
        *_registration_events(registration),
        *(event for item in letters for event in _letter_events(item)),
    ]
    return sorted(events, key=lambda event: event.at)


def _registration_events(registration: Registration) -> Iterator[Event]:
    times = {
        EventKind.REGISTERED: registration.registered_at,
        EventKind.CONFIRMED: registration.confirmed_at,
        EventKind.SEATED: registration.seated_at if registration.is_registered else None,
        EventKind.WITHDRAWN: registration.withdrawn_at,
        EventKind.ATTENDED: registration.attended_at,
    }
    return (Event(at, what) for what, at in times.items() if at)


def _letter_events(letter: Letter) -> Iterator[Event]:
    yield Event(letter.posted_at, EventKind.QUEUED, letter)
    if letter.state is LetterState.SENT and letter.sent_at:
        yield Event(letter.sent_at, EventKind.SENT, letter)
    elif letter.state is LetterState.OWED:
        yield Event(letter.due_at, EventKind.NEXT_TRY, letter)
    elif letter.state in _ENDS:
        # Only a failed letter keeps the time of its end, in due_at.
        failed = letter.state is LetterState.FAILED
        yield Event(letter.due_at if failed else letter.posted_at, _ENDS[letter.state], letter)
