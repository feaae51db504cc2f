"""Organizers: accounts with a sealed identity, their grants of discussions, and sign-ins."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..database import Model, UtcDateTime, by_value
from ..text.addresses import EmailAddress
from .stored import Sealed


class Role(StrEnum):
    """The permissions of an organizer.

    An administrator may do everything, an organizer everything with the discussions granted to
    them. A partner may only export the data that attendees agreed to share with it.
    """

    ADMINISTRATOR = "administrator"
    ORGANIZER = "organizer"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class Identity(Sealed):
    """All personal or secret data of an organizer, sealed as one value.

    `second_factor` is the key of the time-based codes (RFC 6238), in hexadecimal. `recovery_hashes`
    are the hashes of the unused recovery codes.
    """

    address: str
    second_factor: str = ""
    recovery_hashes: list[str] = field(default_factory=list)


def organizer_index(ring: KeyRing, address: EmailAddress) -> bytes:
    """Return the blind index of an organizer's address."""
    return ring.index("organizer", address.canonical)


class Organizer(Model):
    """An account, without personal data in the clear.

    `password_hash` is an Argon2id string (PHC). `code_step` is the last time step whose code was
    used. Until `invited_until`, the link with `invitation_hash` sets password and second factor;
    it was opened `invitation_openings` times. The row of a removed organizer stays, because the
    audit log refers to it.
    """

    __tablename__ = "organizers"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    address_index: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    role: Mapped[Role] = mapped_column(by_value(Role))
    partner: Mapped[str | None]
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    password_hash: Mapped[str | None]
    code_step: Mapped[int] = mapped_column(default=0)
    invitation_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    invited_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    invitation_openings: Mapped[int] = mapped_column(default=0)
    invitation_opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def identity(self, ring: KeyRing) -> Identity:
        """Return the unsealed identity; `SealBroken` if it was sealed for another row."""
        return Identity.unsealed(self.sealed, self.public_id, ring)

    def seal(self, identity: Identity, ring: KeyRing) -> None:
        """Store `identity`, sealed with the ring's current key."""
        self.sealed, self.key_id = identity.sealed(ring), ring.current


class Grant(Model):
    """A grant: it gives an organizer or a partner access to a discussion."""

    __tablename__ = "grants"

    organizer_id: Mapped[int] = mapped_column(
        ForeignKey("organizers.id", ondelete="CASCADE"), primary_key=True
    )
    discussion_id: Mapped[int] = mapped_column(
        ForeignKey("discussions.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class SignIn(Model):
    """One browser in which an organizer is signed in."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    organizer_id: Mapped[int] = mapped_column(
        ForeignKey("organizers.id", ondelete="CASCADE"), index=True
    )
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FailedSignIns(Model):
    """How many sign-ins failed in the hour that begins at `hour`, without a word on whose."""

    __tablename__ = "failed_sign_ins"

    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int]
