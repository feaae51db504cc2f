"""Forms that wait for their letter's link, sealed, apart from the registration."""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..crypto.key_ring import KeyRing
from ..crypto.tokens import token_hash
from ..database import Model, UtcMinute
from .registration import Answer, Attendee, Registration
from .stored import Sealed


@dataclass(frozen=True, slots=True)
class FormText(Sealed):
    """What one form said, and the token of the link in its letter, sealed as one value.

    Its `public_id` is the hash of the token. Once another form was confirmed, only the token is
    left.
    """

    token: str
    name: str = ""
    address: str = ""
    affiliation: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    shared_with: list[dict[str, Any]] = field(default_factory=list)
    language: str = "en"
    zone: str | None = None
    wants_follow_up: bool = False

    @classmethod
    def of(cls, token: str, **typed: Any) -> "FormText":
        """Return the text of a form whose letter has `token`."""
        return cls(token_hash(token).hex(), token, **typed)

    @property
    def without_text(self) -> "FormText":
        return FormText(self.public_id, self.token)

    def attendee_of(self, before: Attendee) -> Attendee:
        """Return the attendee of a registration as this form has them."""
        typed = asdict(self)
        del typed["public_id"], typed["wants_follow_up"]
        return replace(before, new_address="", **typed)


class PendingForm(Model):
    """A form for an address that had a row already; it changes nothing until it is confirmed.

    `token_hash` finds it by the link in its letter. `passed_at` is set once the link confirms
    nothing any more, because a form of the same registration was confirmed; the link then leads to
    the attendee's own page.
    """

    __tablename__ = "pending_forms"

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int] = mapped_column(
        ForeignKey("registrations.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(UtcMinute)
    passed_at: Mapped[datetime | None] = mapped_column(UtcMinute)

    def text(self, ring: KeyRing) -> FormText:
        """Return what the form said, unsealed."""
        return FormText.unsealed(self.sealed, self.token_hash.hex(), ring)

    def seal(self, text: FormText, ring: KeyRing) -> None:
        """Store `text`, sealed with the ring's current key."""
        self.sealed, self.key_id = text.sealed(ring), ring.current

    def as_registered(
        self, registration: Registration, erase_at: datetime, ring: KeyRing
    ) -> Registration:
        """Return a copy of the registration, in no session, with this form's text and token.

        It is unconfirmed: the page and the letter of a form show it in the registration's place.
        """
        text = self.text(ring)
        copy = Registration(
            id=registration.id,
            public_id=registration.public_id,
            discussion_id=registration.discussion_id,
            registered_at=self.made_at,
            erase_at=erase_at,
            calendar_sequence=registration.calendar_sequence,
            told_revision=registration.told_revision,
            wants_follow_up=text.wants_follow_up,
        )
        copy.seal(text.attendee_of(registration.attendee(ring)), ring)
        return copy
