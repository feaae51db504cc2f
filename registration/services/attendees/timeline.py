"""What happened to one registration and its letters, in the order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from ...database import Transaction
from ...models import Letter, LetterState, Registration


class Happening(StrEnum):
    """What happened, or is going to."""

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
class Moment:
    """When something happened; to which letter, if it is about one."""

    at: datetime
    what: Happening
    letter: Letter | None = None


_ENDS = {
    LetterState.FAILED: Happening.FAILED,
    LetterState.DROPPED: Happening.DROPPED,
    LetterState.HELD: Happening.HELD,
}


def of(tx: Transaction, registration: Registration) -> list[Moment]:
    """Return everything that is known of it, the first first."""
    letters = tx.scalars(
        select(Letter).where(Letter.registration_id == registration.id).order_by(Letter.id)
    )
    moments = [*_own(registration), *(moment for item in letters for moment in _of(item))]
    return sorted(moments, key=lambda moment: moment.at)


def _own(registration: Registration) -> Iterator[Moment]:
    times = {
        Happening.REGISTERED: registration.registered_at,
        Happening.CONFIRMED: registration.confirmed_at,
        Happening.SEATED: registration.seated_at if registration.confirmed_at else None,
        Happening.WITHDRAWN: registration.withdrawn_at,
        Happening.ATTENDED: registration.attended_at,
    }
    return (Moment(at, what) for what, at in times.items() if at)


def _of(letter: Letter) -> Iterator[Moment]:
    yield Moment(letter.posted_at, Happening.QUEUED, letter)
    if letter.state is LetterState.SENT and letter.sent_at:
        yield Moment(letter.sent_at, Happening.SENT, letter)
    elif letter.state is LetterState.OWED:
        yield Moment(letter.due_at, Happening.NEXT_TRY, letter)
    elif letter.state in _ENDS:
        # Only a failed one has noted when.
        failed = letter.state is LetterState.FAILED
        yield Moment(letter.due_at if failed else letter.posted_at, _ENDS[letter.state], letter)
