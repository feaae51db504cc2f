"""A letter: one e-mail owed, without anything personal: it is written when it is sent."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value


class LetterKind(StrEnum):
    """What a letter is about."""

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
    CIRCULAR = "circular"


class LetterState(StrEnum):
    """Where a letter stands. A dropped one had become untrue before it was sent."""

    OWED = "owed"
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"
    DROPPED = "dropped"


class Letter(Model):
    """One letter owed to one registration; or, as a test of a circular, to one organizer.

    `key` says what is owed and is unique, so that nothing is owed twice. `message_id` is made
    with the row and never changes. `server_answer` is redacted. While `lease_until` has not
    passed, one worker has the letter in hand.
    """

    __tablename__ = "letters"
    __table_args__ = (Index("ix_letters_state_due", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int | None] = mapped_column(
        ForeignKey("registrations.id", ondelete="CASCADE"), index=True
    )
    organizer_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    circular_id: Mapped[int | None] = mapped_column(
        ForeignKey("circulars.id", ondelete="SET NULL"), index=True
    )
    kind: Mapped[LetterKind] = mapped_column(by_value(LetterKind))
    key: Mapped[str] = mapped_column(unique=True)
    revision: Mapped[int]
    message_id: Mapped[str] = mapped_column(unique=True)
    state: Mapped[LetterState] = mapped_column(by_value(LetterState), default=LetterState.OWED)
    posted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    server_answer: Mapped[str | None]
