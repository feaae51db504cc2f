"""The audit log: who did what and when, without attendees' data."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value


class Deed(StrEnum):
    """What was done."""

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
    """One line, which is never changed and never removed: the database refuses both.

    `organizer_id` did it, to or for `subject_id`; without the first it was done on the command
    line. `detail` says how, of no attendee.
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
