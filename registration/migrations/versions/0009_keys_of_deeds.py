"""Stable keys for the deeds of the audit log, which were stored as English words."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_REFUSED = "The audit log is never changed."
_KEYS = {
    "organizer added": "organizer.added",
    "organizer given discussions": "organizer.given_discussions",
    "organizer removed": "organizer.removed",
    "sign-in reset": "organizer.reset",
    "invitation accepted": "organizer.invitation_accepted",
    "signed in": "organizer.signed_in",
    "signed out": "organizer.signed_out",
    "signed out everywhere": "organizer.signed_out_everywhere",
    "password changed": "organizer.password_changed",
    "wrong codes with the right password": "organizer.codes_tried",
    "attendees exported": "attendees.exported",
    "attendees imported": "attendees.imported",
    "marked as attended": "attendees.marked_attended",
    "marked as not attended": "attendees.marked_absent",
    "attendee added by hand": "attendee.added",
    "letter sent again": "attendee.letter_sent_again",
    "address corrected": "attendee.address_corrected",
    "attendee withdrawn": "attendee.withdrawn",
    "attendee erased": "attendee.erased",
    "letter to attendees drafted": "mailing.drafted",
    "draft of a letter discarded": "mailing.discarded",
    "test letter posted": "mailing.tested",
    "letter to attendees queued": "mailing.queued",
    "letter to attendees stopped": "mailing.stopped",
    "draft of a discussion deleted": "draft.deleted",
    "discussion published": "discussion.published",
    "discussion changed": "discussion.changed",
    "discussion cancelled": "discussion.cancelled",
    "discussion restored": "discussion.restored",
    "discussion taken off": "discussion.taken_off",
}


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    # The log refuses changes by a trigger (0005), which stands again when the transaction ends.
    op.execute(
        "DROP TRIGGER audit_entries_no_update"
        if is_sqlite
        else "DROP TRIGGER audit_entries_no_change ON audit_entries"
    )
    _rename()
    op.execute(
        "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
        if is_sqlite
        else "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )


def _rename() -> None:
    entries = sa.table("audit_entries", sa.column("deed"), sa.column("detail"))
    # The words "for PARTNER" were English too.
    op.execute(
        entries.update()
        .where(entries.c.deed == "attendees exported", entries.c.detail.like("for %"))
        .values(detail=sa.literal("partner: ") + sa.func.substr(entries.c.detail, 5))
    )
    op.execute(
        entries.update().values(deed=sa.case(_KEYS, value=entries.c.deed, else_=entries.c.deed))
    )
