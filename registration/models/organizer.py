"""An organizer: what the database may know of one, and the identity, sealed."""

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
    """What an organizer may do: everything, all with the discussions given to them, or only take
    what attendees agreed to share with one partner."""

    ADMINISTRATOR = "administrator"
    ORGANIZER = "organizer"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class Identity(Sealed):
    """Everything personal or secret of an organizer: the one value that is sealed.

    `second_factor` is the key of the time-based codes (RFC 6238), in hexadecimal; `recovery_hashes`
    are of the codes that are left for whoever has lost it.
    """

    address: str
    second_factor: str = ""
    recovery_hashes: list[str] = field(default_factory=list)


def organizer_index(ring: KeyRing, address: EmailAddress) -> bytes:
    """Return the blind index by which an organizer is found by address."""
    return ring.index("organizer", address.canonical)


class Organizer(Model):
    """Somebody who may sign in, with nothing personal in the clear.

    `password_hash` is an Argon2id string (PHC). `code_step` is the last step of time whose code
    was used. While `invited_until` has not passed, the link with `invitation_hash` sets password
    and second factor. One who was removed stays, so that the audit log can name them.
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

    def identity(self, ring: KeyRing) -> Identity:
        """Return the identity, unsealed; `SealBroken` if it was sealed for another row."""
        return Identity.unsealed(self.sealed, self.public_id, ring)

    def seal(self, identity: Identity, ring: KeyRing) -> None:
        """Keep `identity`, sealed with the ring's current key."""
        self.sealed, self.key_id = identity.sealed(ring), ring.current


class Grant(Model):
    """That an organizer, or a partner, has a discussion."""

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
