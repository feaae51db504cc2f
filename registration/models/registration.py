"""Registrations: rows without personal data in the clear, and the sealed attendee."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    and_,
    case,
    literal,
    or_,
)
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..database import Model, UtcMinute, by_value
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


# The states of a registration that is_registered.
REGISTERED = (RegistrationStatus.CONFIRMED, RegistrationStatus.WAITING)


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
    language: str = "en"
    zone: str | None = None

    @property
    def shown_name(self) -> str:
        """The name, or the address of an attendee who gave none."""
        return self.name or self.address

    def has_agreed(self, sharing: Sharing) -> bool:
        """Whether the attendee has agreed to exactly this request."""
        return any(known(Sharing, item) == sharing for item in self.shared_with)


def as_sealed(text: str) -> str:
    """Return `text` as it is escaped in the JSON that is sealed."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def address_index(ring: KeyRing, discussion_uid: str, address: EmailAddress) -> bytes:
    """Return the blind index of an address, which is different in each discussion."""
    return ring.index("address", discussion_uid, address.canonical)


def _takes_seat_in_sql(cls: type["Registration"], now: datetime) -> ColumnElement[bool]:
    return and_(
        cls.seated_at.is_not(None),
        or_(cls.is_registered, cls.seat_held_until > now),
    )


class Registration(Model):
    """One person's registration for one discussion, without personal data in the clear.

    `address_index` is the blind index of discussion and canonical address, unique in the
    discussion. `seated_at` is set while it has a seat, `queue_position` while it waits; an
    unconfirmed registration, or a withdrawn one that registers again, keeps its seat until
    `seat_held_until`. `address_proved_at` is set once its attendee has pressed a button behind a
    link that was sent to the address. `mailings_stopped_at` is set once the attendee has stopped
    mailings, `answers_erased_at` once the answers that it had were erased, before the registration
    itself.
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
    registered_at: Mapped[datetime] = mapped_column(UtcMinute)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    address_proved_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    seated_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    seat_held_until: Mapped[datetime | None] = mapped_column(UtcMinute)
    queue_position: Mapped[int | None]
    attended_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    erase_at: Mapped[datetime] = mapped_column(UtcMinute, index=True)
    calendar_sequence: Mapped[int] = mapped_column(default=0)
    told_revision: Mapped[int] = mapped_column(default=0)
    wants_follow_up: Mapped[bool] = mapped_column(default=False)
    mailings_stopped_at: Mapped[datetime | None] = mapped_column(UtcMinute)
    answers_erased_at: Mapped[datetime | None] = mapped_column(UtcMinute)

    # Each rule is written for Python and for SQL; a test compares the two for every row.

    @hybrid_property
    def has_confirmed(self) -> bool:
        """Whether the address was confirmed, or needed not be; true after a withdrawal, too."""
        return self.confirmed_at is not None

    @has_confirmed.inplace.expression
    @classmethod
    def _has_confirmed(cls) -> ColumnElement[bool]:
        return cls.confirmed_at.is_not(None)

    @hybrid_property
    def is_withdrawn(self) -> bool:
        """Whether the attendee has withdrawn."""
        return self.withdrawn_at is not None

    @is_withdrawn.inplace.expression
    @classmethod
    def _is_withdrawn(cls) -> ColumnElement[bool]:
        return cls.withdrawn_at.is_not(None)

    @hybrid_property
    def is_registered(self) -> bool:
        """Whether the attendee means to come: confirmed, with a seat or waiting, not withdrawn."""
        return self.confirmed_at is not None and self.withdrawn_at is None

    @is_registered.inplace.expression
    @classmethod
    def _is_registered(cls) -> ColumnElement[bool]:
        return and_(cls.confirmed_at.is_not(None), cls.withdrawn_at.is_(None))

    @hybrid_property
    def has_seat(self) -> bool:
        """Whether a seat was given; an unconfirmed registration may hold it no longer."""
        return self.seated_at is not None

    @has_seat.inplace.expression
    @classmethod
    def _has_seat(cls) -> ColumnElement[bool]:
        return cls.seated_at.is_not(None)

    def _takes_seat_itself(self, now: datetime) -> bool:
        """Whether a seat is taken, or held, at `now`."""
        if self.seated_at is None:
            return False
        held_until = self.seat_held_until
        return self.is_registered or (held_until is not None and held_until > now)

    takes_seat = hybrid_method(_takes_seat_itself, _takes_seat_in_sql)

    @hybrid_property
    def status(self) -> RegistrationStatus:
        """Where the registration stands."""
        if self.withdrawn_at is not None:
            return RegistrationStatus.WITHDRAWN
        if self.confirmed_at is None:
            return RegistrationStatus.UNCONFIRMED
        return (
            RegistrationStatus.WAITING if self.seated_at is None else RegistrationStatus.CONFIRMED
        )

    @status.inplace.expression
    @classmethod
    def _status(cls) -> ColumnElement[RegistrationStatus]:
        value = {
            status: literal(status, by_value(RegistrationStatus)) for status in RegistrationStatus
        }
        return case(
            (cls.withdrawn_at.is_not(None), value[RegistrationStatus.WITHDRAWN]),
            (cls.confirmed_at.is_(None), value[RegistrationStatus.UNCONFIRMED]),
            (cls.seated_at.is_(None), value[RegistrationStatus.WAITING]),
            else_=value[RegistrationStatus.CONFIRMED],
        )

    def attendee(self, ring: KeyRing) -> Attendee:
        """Return the attendee, unsealed."""
        return Attendee.unsealed(self.sealed, self.public_id, ring)

    def seal(self, attendee: Attendee, ring: KeyRing) -> None:
        """Store `attendee`, sealed with the ring's current key."""
        self.sealed, self.key_id = attendee.sealed(ring), ring.current
