"""The audit log: actions of organizers and of the command line, without attendees' data."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value


class Deed(StrEnum):
    """The kind of an audited action."""

    ADDED = "organizer added"
    GIVEN = "organizer given discussions"
    REMOVED = "organizer removed"
    RESET = "sign-in reset"
    ACCEPTED = "invitation accepted"
    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    SIGNED_OUT_EVERYWHERE = "signed out everywhere"
    SIGN_IN_CHANGED = "password changed"
    EXPORTED = "attendees exported"
    ATTENDEE_ADDED = "attendee added by hand"
    LETTER_SENT_AGAIN = "letter sent again"
    ADDRESS_CORRECTED = "address corrected"
    ATTENDEE_WITHDRAWN = "attendee withdrawn"
    ATTENDEE_ERASED = "attendee erased"
    MARKED_ATTENDED = "marked as attended"
    MARKED_ABSENT = "marked as not attended"
    IMPORTED = "attendees imported"
    DRAFTED = "letter to attendees drafted"
    DISCARDED = "draft of a letter discarded"
    TESTED = "test letter posted"
    QUEUED = "letter to attendees queued"
    STOPPED = "letter to attendees stopped"
    DRAFT_DELETED = "draft of a discussion deleted"
    PUBLISHED = "discussion published"
    CHANGED = "discussion changed"
    CANCELLED = "discussion cancelled"
    RESTORED = "discussion restored"
    TAKEN_OFF = "discussion taken off"
    CODES_TRIED = "wrong codes with the right password"


class AuditEntry(Model):
    """One action. The database refuses to change or remove the row.

    `organizer_id` is the organizer who acted; None on the command line. `subject_id` is the
    organizer who was acted on. `detail` never names an attendee.
    """

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    organizer_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    deed: Mapped[Deed] = mapped_column(by_value(Deed))
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    slug: Mapped[str | None]
    count: Mapped[int | None]
    detail: Mapped[str | None]
