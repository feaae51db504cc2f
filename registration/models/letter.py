"""Letters: e-mails owed, without personal data. A letter is composed when it is sent."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..database import Model, UtcDateTime, UtcMinute, by_value


class LetterKind(StrEnum):
    """The kind of a letter."""

    ADDRESS_CONFIRMATION = "address_confirmation"
    CONFIRMATION = "confirmation"
    WAITING = "waiting"
    ALREADY_REGISTERED = "already_registered"
    LINK = "link"
    ADDRESS_CHANGE = "address_change"
    WITHDRAWAL = "withdrawal"
    CHANGE = "change"
    SEAT = "seat"
    REMINDER = "reminder"
    FOLLOW_UP = "follow_up"
    MAILING = "mailing"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # nosec B105  # a kind, no password
    SIGN_IN_SET_UP = "sign_in_set_up"
    SIGN_IN_RESET = "sign_in_reset"


# These tell organizers of their own account; all others are about a registration.
TO_ORGANIZERS = frozenset(
    {LetterKind.PASSWORD_CHANGED, LetterKind.SIGN_IN_SET_UP, LetterKind.SIGN_IN_RESET}
)


class LetterState(StrEnum):
    """The state of a letter. A dropped one was no longer true or wanted before it was sent."""

    OWED = "owed"
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"
    DROPPED = "dropped"


class Letter(Model):
    """One letter owed to a registration; or to an organizer: one of `TO_ORGANIZERS`, or the test
    of a mailing.

    The unique `key` prevents two letters for the same occasion. `public_id` is random, and names
    the letter's file where letters are kept in a folder. `server_answer` is redacted. Until
    `lease_until`, one worker has claimed the letter. A confirmation of an address confirms the text
    of `pending_form_id`, or without one the registration's own.
    """

    __tablename__ = "letters"
    __table_args__ = (Index("ix_letters_state_due", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int | None] = mapped_column(
        ForeignKey("registrations.id", ondelete="CASCADE"), index=True
    )
    organizer_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    mailing_id: Mapped[int | None] = mapped_column(
        ForeignKey("mailings.id", ondelete="SET NULL"), index=True
    )
    pending_form_id: Mapped[int | None] = mapped_column(
        ForeignKey("pending_forms.id", ondelete="SET NULL"), index=True
    )
    kind: Mapped[LetterKind] = mapped_column(by_value(LetterKind))
    key: Mapped[str] = mapped_column(unique=True)
    revision: Mapped[int]
    public_id: Mapped[str] = mapped_column(unique=True)
    state: Mapped[LetterState] = mapped_column(by_value(LetterState), default=LetterState.OWED)
    posted_at: Mapped[datetime] = mapped_column(UtcMinute)
    due_at: Mapped[datetime] = mapped_column(UtcMinute)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    server_answer: Mapped[str | None]

    def message_id(self, ring: KeyRing, host: str) -> str:
        """Return the Message-ID at `host`: the same at every attempt, until the key is rotated.

        It is not stored: mail servers log it together with the recipient, and the row must not
        tell whose it is.
        """
        return f"<{ring.index('message', self.public_id).hex()[:32]}@{host}>"
