"""Registrations: rows without personal data in the clear, and the sealed attendee."""

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
    """The status of a registration; computed, never stored."""

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
        """Return the status of a registration with these times."""
        if withdrawn_at:
            return cls.WITHDRAWN
        if not confirmed_at:
            return cls.UNCONFIRMED
        return cls.CONFIRMED if seated_at else cls.WAITING


@dataclass(frozen=True, slots=True)
class Attendee(Sealed):
    """All personal data of a registration, sealed as one value.

    `shared_with` contains each `Sharing` agreed to as the form showed it: if a partner later asks
    for more, the earlier consent does not cover it.
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
        """Whether the attendee has agreed to exactly this request."""
        return any(known(Sharing, item) == sharing for item in self.shared_with)


def as_sealed(text: str) -> str:
    """Return `text` as it is escaped in the JSON that is sealed."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def address_index(ring: KeyRing, discussion_uid: str, address: EmailAddress) -> bytes:
    """Return the blind index of an address, which is different in each discussion."""
    return ring.index("address", discussion_uid, address.canonical)


class Registration(Model):
    """One person's registration for one discussion, without personal data in the clear.

    `address_index` is the blind index of discussion and canonical address, unique in the
    discussion. `seated_at` is set while it has a seat, `queue_position` while it waits; an
    unconfirmed registration keeps its seat until `seat_held_until`. `circulars_stopped_at` is set
    once the attendee has stopped circulars.
    """

    __tablename__ = "registrations"
    __table_args__ = (
        UniqueConstraint("discussion_id", "address_index"),
        Index("ix_registrations_seated", "discussion_id", "seated_at"),
        # For reading all registrations of a discussion in batches.
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
        """Store `attendee`, sealed with the ring's current key."""
        self.sealed, self.key_id = attendee.sealed(ring), ring.current
