"""A registration: what the database may know of it, and the attendee, sealed."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..database import Model, UtcDateTime
from ..text.addresses import EmailAddress
from .content import Sharing
from .stored import Sealed, known

Answer = str | list[str] | bool


class RegistrationStatus(StrEnum):
    """Where a registration stands; computed, never stored."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"

    @classmethod
    def of(
        cls,
        confirmed_at: datetime | None,
        withdrawn_at: datetime | None,
        seated_at: datetime | None,
    ) -> "RegistrationStatus":
        """Return where a registration with these times stands."""
        if withdrawn_at:
            return cls.WITHDRAWN
        if not confirmed_at:
            return cls.UNCONFIRMED
        return cls.CONFIRMED if seated_at else cls.WAITING


@dataclass(frozen=True, slots=True)
class Attendee(Sealed):
    """Everything personal of a registration: the one value that is sealed.

    `shared_with` holds each `Sharing` agreed to as it stood on the form: who agreed to less has
    not agreed to more.
    """

    token: str
    calendar_token: str
    name: str
    address: str
    affiliation: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    shared_with: list[dict[str, Any]] = field(default_factory=list)
    new_address: str = ""

    def has_agreed(self, sharing: Sharing) -> bool:
        """Whether the attendee has agreed to share exactly so."""
        return any(known(Sharing, item) == sharing for item in self.shared_with)


def as_sealed(text: str) -> str:
    """Return how `text` stands within what is sealed."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def address_index(ring: KeyRing, discussion_uid: str, address: EmailAddress) -> bytes:
    """Return the blind index by which an address is found again, in one discussion only."""
    return ring.index("address", discussion_uid, address.canonical)


class Registration(Model):
    """One person's registration for one discussion, without anything personal in the clear.

    `address_index` is the blind index of discussion and canonical address, unique in the
    discussion. `seated_at` is set while a seat is taken, `queue_position` while waiting;
    an unconfirmed registration keeps its seat until `seat_held_until`. Who has stopped circulars
    gets none.
    """

    __tablename__ = "registrations"
    __table_args__ = (
        UniqueConstraint("discussion_id", "address_index"),
        Index("ix_registrations_seated", "discussion_id", "seated_at"),
        # Whoever reads all of a discussion, step by step, finds the next ones at once.
        Index("ix_registrations_in_order", "discussion_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    address_index: Mapped[bytes] = mapped_column(LargeBinary)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    calendar_token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seat_held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    queue_position: Mapped[int | None]
    attended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erase_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    language: Mapped[str]
    zone: Mapped[str | None]
    calendar_sequence: Mapped[int] = mapped_column(default=0)
    told_revision: Mapped[int] = mapped_column(default=0)
    wants_follow_up: Mapped[bool] = mapped_column(default=False)
    circulars_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def status(self) -> RegistrationStatus:
        return RegistrationStatus.of(self.confirmed_at, self.withdrawn_at, self.seated_at)

    def attendee(self, ring: KeyRing) -> Attendee:
        """Return the attendee, unsealed."""
        return Attendee.unsealed(self.sealed, self.public_id, ring)

    def seal(self, attendee: Attendee, ring: KeyRing) -> None:
        """Keep `attendee`, sealed with the ring's current key."""
        self.sealed, self.key_id = attendee.sealed(ring), ring.current
