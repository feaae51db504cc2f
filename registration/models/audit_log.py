"""The audit log: actions of organizers and of the command line, without attendees' data."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcMinute, by_value


class Deed(StrEnum):
    """The kind of an audited action, stored by a stable key; `web.labels` has its words."""

    ADDED = "organizer.added"
    GIVEN = "organizer.given_discussions"
    REMOVED = "organizer.removed"
    RESET = "organizer.reset"
    ACCEPTED = "organizer.invitation_accepted"
    SIGNED_IN = "organizer.signed_in"
    SIGNED_OUT = "organizer.signed_out"
    SIGNED_OUT_EVERYWHERE = "organizer.signed_out_everywhere"
    SESSION_ENDED = "organizer.session_ended"
    SIGN_IN_CHANGED = "organizer.password_changed"
    EXPORTED = "attendees.exported"
    ATTENDEE_ADDED = "attendee.added"
    LETTER_SENT_AGAIN = "attendee.letter_sent_again"
    ADDRESS_CORRECTED = "attendee.address_corrected"
    ATTENDEE_WITHDRAWN = "attendee.withdrawn"
    ATTENDEE_ERASED = "attendee.erased"
    MARKED_ATTENDED = "attendees.marked_attended"
    MARKED_ABSENT = "attendees.marked_absent"
    IMPORTED = "attendees.imported"
    DRAFTED = "mailing.drafted"
    DISCARDED = "mailing.discarded"
    TESTED = "mailing.tested"
    QUEUED = "mailing.queued"
    STOPPED = "mailing.stopped"
    DRAFT_DELETED = "draft.deleted"
    PUBLISHED = "discussion.published"
    CHANGED = "discussion.changed"
    CANCELLED = "discussion.cancelled"
    RESTORED = "discussion.restored"
    TAKEN_OFF = "discussion.taken_off"
    EVERYBODY_ERASED = "attendees.all_erased"
    EVERYBODY_SIGNED_OUT = "organizers.all_signed_out"
    CODES_TRIED = "organizer.codes_tried"


# Deeds that concern one attendee.
ATTENDEE_DEEDS = tuple(deed for deed in Deed if deed.startswith("attendee."))


class AuditEntry(Model):
    """One action. The database refuses to remove the row, and to change it but for one thing:
    it lets `organizer_id` of an entry of `ATTENDEE_DEEDS` be forgotten.

    `organizer_id` is the organizer who acted; None on the command line, and once it
    `is_organizer_forgotten`. `subject_id` is the organizer who was acted on. `detail` never names
    an attendee. Of an erasure, `at` is the day.
    """

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcMinute)
    organizer_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    is_organizer_forgotten: Mapped[bool] = mapped_column(default=False)
    deed: Mapped[Deed] = mapped_column(by_value(Deed))
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("organizers.id"))
    slug: Mapped[str | None]
    count: Mapped[int | None]
    detail: Mapped[str | None]
