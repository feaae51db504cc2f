"""Store less that the log of a mail server could be joined with.

Message-IDs are derived when a letter is sent; language and zone are sealed with the attendee; times
lose their seconds, and erasures their time of day; sealed values lose their time of sealing.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MINUTES = {
    "registrations": (
        "registered_at",
        "confirmed_at",
        "withdrawn_at",
        "seated_at",
        "seat_held_until",
        "attended_at",
        "erase_at",
        "mailings_stopped_at",
    ),
    "letters": ("posted_at", "due_at", "sent_at"),
    "mailings": ("written_at", "queued_at", "stopped_at"),
    "audit_entries": ("at",),
}
# Ids under which a server's log names the recipient stand in some answers: only the codes stay.
ACCEPTED = """
    UPDATE letters SET server_answer = substr(server_answer, 1, 3)
    WHERE state = 'sent' AND server_answer LIKE '2%'
"""
REFUSED = "The audit log is never changed."
# The one change that is allowed: the organizer of a deed to one attendee is forgotten.
CHANGES_MORE = (
    "NOT (OLD.deed LIKE 'attendee.%' AND NEW.organizer_id IS NULL AND NEW.is_organizer_forgotten"
    " AND NEW.id = OLD.id AND NEW.at = OLD.at AND NEW.deed = OLD.deed"
    " AND NEW.subject_id IS NOT DISTINCT FROM OLD.subject_id"
    " AND NEW.slug IS NOT DISTINCT FROM OLD.slug AND NEW.count IS NOT DISTINCT FROM OLD.count"
    " AND NEW.detail IS NOT DISTINCT FROM OLD.detail)"
)
ROWS_A_STEP = 500


def upgrade() -> None:
    _seal_more()
    op.drop_column("registrations", "language")
    op.drop_column("registrations", "zone")
    _rename_message_ids()
    _make_erasures()
    _lift_audit_triggers()
    op.add_column(
        "audit_entries",
        sa.Column(
            "is_organizer_forgotten", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    for table, columns in MINUTES.items():
        for column in columns:
            # Only names of above.
            op.execute(f"UPDATE {table} SET {column} = {_minute(column)}")  # noqa: S608  # nosec B608
    op.execute(ACCEPTED)
    _make_audit_triggers()


def _seal_more() -> None:
    """Move language and zone into the sealed value, and seal all anew, without a time."""
    connection = op.get_bind()
    # From services.operations.migration: it opens the key ring once there is something to seal.
    seal_anew = context.config.attributes["seal_anew"]
    for table, extra in (
        ("registrations", ("language", "zone")),
        ("organizers", ()),
        ("mailings", ()),
    ):
        columns: list[sa.ColumnClause[Any]] = [
            sa.column(name) for name in ("id", "sealed", "key_id", *extra)
        ]
        rows = sa.table(table, *columns)
        for found in _steps(connection, rows):
            changed = [
                {"row": row.id}
                | seal_anew(connection, row.sealed, {name: getattr(row, name) for name in extra})
                for row in found
            ]
            connection.execute(
                rows.update()
                .where(rows.c.id == sa.bindparam("row"))
                .values(sealed=sa.bindparam("sealed"), key_id=sa.bindparam("key_id")),
                changed,
            )


def _steps(connection: sa.Connection, rows: sa.TableClause) -> Iterator[Sequence[sa.Row[Any]]]:
    last = 0
    while found := connection.execute(
        rows.select().where(rows.c.id > last).order_by(rows.c.id).limit(ROWS_A_STEP)
    ).all():
        yield found
        last = found[-1].id


def _rename_message_ids() -> None:
    """Keep the random part, after which the files of kept letters are named."""
    op.execute(
        "UPDATE letters SET message_id = substr(message_id, 2, 32) WHERE message_id LIKE '<%@%'"
    )
    with op.batch_alter_table("letters") as letters:
        letters.drop_constraint(op.f("uq_letters_message_id"), type_="unique")
        letters.alter_column("message_id", new_column_name="public_id")
    with op.batch_alter_table("letters") as letters:
        letters.create_unique_constraint(op.f("uq_letters_public_id"), ["public_id"])


def _make_erasures() -> None:
    connection = op.get_bind()
    old = sa.table("erasures", sa.column("public_id"), sa.column("at", sa.DateTime(timezone=True)))
    kept = connection.execute(sa.select(old.c.public_id, old.c.at).order_by(old.c.public_id)).all()
    op.drop_table("erasures")
    made = op.create_table(
        "erasures",
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("public_id", name=op.f("pk_erasures")),
        sqlite_with_rowid=False,
    )
    if kept:
        connection.execute(
            made.insert(), [{"public_id": row.public_id, "day": _day(row.at)} for row in kept]
        )


def _day(at: datetime) -> date:
    return (at if at.tzinfo is None else at.astimezone(UTC)).date()


def _minute(column: str) -> str:
    if op.get_bind().dialect.name == "postgresql":
        return f"date_trunc('minute', {column})"
    return f"substr({column}, 1, 17) || '00.000000'"


def _lift_audit_triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_entries_no_update")
    else:
        op.execute("DROP TRIGGER audit_entries_no_change ON audit_entries")


def _make_audit_triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries "
            f"WHEN {CHANGES_MORE.replace('IS NOT DISTINCT FROM', 'IS')} "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )
        return
    op.execute(
        "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE ON audit_entries "
        f"FOR EACH ROW WHEN ({CHANGES_MORE}) EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_no_removal BEFORE DELETE OR TRUNCATE "
        "ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
