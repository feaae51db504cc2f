"""Compares what clients asked for and were told with what is stored and what letters arrived."""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import select

from registration.database import reading
from registration.models import Letter, LetterKind, LetterState, Registration, RegistrationStatus

from .clients import Ledger

LOST = "lost"
UNASKED = "never asked for"
TWICE = "twice"
NO_LETTER = "without a letter"
TOO_MANY = "letters too many"
UNDELIVERED = "letters never delivered"
RENAMED = "under another Message-ID"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much is stored, and how many `mistakes` of each kind there are; all must be 0.

    `resent` letters arrived more than once, each time under the same Message-ID.
    """

    stored: int
    confirmed: int
    letters: int
    resent: int
    mistakes: dict[str, int] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.mistakes.values())

    def __str__(self) -> str:
        told = ", ".join(f"{number:,} {what}" for what, number in self.mistakes.items())
        return (
            f"{self.stored:,} stored, {self.confirmed:,} confirmed, {self.letters:,} letters, "
            f"{self.resent:,} of them again under the same Message-ID; {told}"
        )


def compare(ledger: Ledger, arrived: Counter[tuple[str, str]]) -> Comparison:
    """Compare, in an app context, after whatever was owed has been delivered."""
    with reading() as tx:
        rows = tx.scalars(select(Registration)).all()
        letters = tx.scalars(select(Letter)).all()
        ring, host = tx.keys, tx.settings.host
    addresses = {row.id: row.attendee(ring).address for row in rows}
    confirmed = {addresses[row.id] for row in rows if row.status is RegistrationStatus.CONFIRMED}
    stored = Counter(addresses.values())
    owed = {(addresses[row.registration_id], row.message_id(ring, host)): row for row in letters}
    mistakes = {
        LOST: len(ledger.acked - stored.keys()) + len(ledger.confirmed - confirmed),
        UNASKED: len(stored.keys() - ledger.asked.keys()) + len(confirmed - ledger.confirming),
        TWICE: stored.total() - len(stored),
        NO_LETTER: _without_letter(stored, confirmed, owed),
        TOO_MANY: _too_many(ledger, owed),
        UNDELIVERED: len(_wanted(owed, confirmed) - arrived.keys()) + _unsettled(owed),
        RENAMED: len(arrived.keys() - owed.keys()),
    }
    resent = arrived.total() - len(arrived)
    return Comparison(len(rows), len(confirmed), len(letters), resent, mistakes)


Owed = dict[tuple[str, str], Letter]


def _counted(owed: Owed, kind: LetterKind) -> Counter[str]:
    return Counter(address for (address, _), letter in owed.items() if letter.kind is kind)


def _without_letter(stored: Counter[str], confirmed: set[str], owed: Owed) -> int:
    first = _counted(owed, LetterKind.ADDRESS_CONFIRMATION)
    second = _counted(owed, LetterKind.CONFIRMATION)
    return len(stored.keys() - first.keys()) + len(confirmed - second.keys())


def _too_many(ledger: Ledger, owed: Owed) -> int:
    """Return how many letters nobody asked for: one for each form sent, one for a confirmation."""
    first = _counted(owed, LetterKind.ADDRESS_CONFIRMATION)
    second = _counted(owed, LetterKind.CONFIRMATION)
    return (first - ledger.asked).total() + (second - Counter(ledger.confirming)).total()


def _wanted(owed: Owed, confirmed: set[str]) -> set[tuple[str, str]]:
    """Return the letters that must arrive: of several that ask to confirm an address, the others
    are dropped once one was answered."""
    asking = LetterState.DROPPED, LetterKind.ADDRESS_CONFIRMATION
    return {
        key
        for key, letter in owed.items()
        if key[0] not in confirmed or (letter.state, letter.kind) != asking
    }


def _unsettled(owed: Owed) -> int:
    """Return how many letters are still owed, or failed.

    A first letter that arrived, was answered and then came due again is dropped as untrue.
    """
    return sum(
        letter.state is not LetterState.SENT
        and (letter.state, letter.kind) != (LetterState.DROPPED, LetterKind.ADDRESS_CONFIRMATION)
        for letter in owed.values()
    )
