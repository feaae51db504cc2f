"""Mailings: letters that organizers write to groups of attendees, with sealed wording."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..database import Model, UtcMinute
from .stored import Sealed


class Group(StrEnum):
    """A group of recipients. Absent attendees had a seat, and are not marked as attended."""

    CONFIRMED = "confirmed"
    WAITING = "waiting"
    ATTENDED = "attended"
    ABSENT = "absent"


class MailingState(StrEnum):
    """The state of a mailing; computed, never stored."""

    DRAFT = "draft"
    QUEUED = "queued"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Wording(Sealed):
    """The text of a mailing as its organizer typed it; sealed, because it may name people."""

    subject: str
    text: str


class Mailing(Model):
    """One mailing: a draft until it is queued; then it never changes, but may be stopped.

    `version` rises with every change, so that nobody queues a text that they have not seen.
    `organizer_id` is the organizer who edited it last, or queued it. `count` is the number of
    letters posted for it.
    """

    __tablename__ = "mailings"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    discussion_id: Mapped[int] = mapped_column(
        ForeignKey("discussions.id", ondelete="CASCADE"), index=True
    )
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizers.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    groups: Mapped[list[str]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(default=1)
    written_at: Mapped[datetime] = mapped_column(UtcMinute)
    queued_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    count: Mapped[int] = mapped_column(default=0)

    @property
    def state(self) -> MailingState:
        if self.stopped_at:
            return MailingState.STOPPED
        return MailingState.QUEUED if self.queued_at else MailingState.DRAFT

    @property
    def is_draft(self) -> bool:
        return self.state is MailingState.DRAFT

    def wording(self, ring: KeyRing) -> Wording:
        """Return the unsealed wording; `SealBroken` if it was sealed for another row."""
        return Wording.unsealed(self.sealed, self.public_id, ring)

    def seal(self, wording: Wording, ring: KeyRing) -> None:
        """Store `wording`, sealed with the ring's current key."""
        self.sealed, self.key_id = wording.sealed(ring), ring.current
