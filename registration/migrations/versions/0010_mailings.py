"""Circulars are called mailings from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COPY = """
    INSERT INTO mailings (
        id, public_id, discussion_id, organizer_id, sealed, key_id, groups, version,
        written_at, queued_at, stopped_at, count
    ) SELECT
        id, public_id, discussion_id, organizer_id, sealed, key_id, groups, version,
        written_at, queued_at, stopped_at, count
    FROM circulars
"""


def upgrade() -> None:
    # A table that is made anew has all names, also of its sequence, as the convention wants them.
    _create_mailings()
    op.execute(COPY)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "SELECT setval(pg_get_serial_sequence('mailings', 'id'), max(id)) FROM mailings"
            " HAVING count(*) > 0"
        )
    op.drop_index(op.f("ix_letters_circular_id"), "letters")
    op.alter_column("letters", "circular_id", new_column_name="mailing_id")
    # For references SQLite makes the table anew, with foreign keys off (operations.migration).
    with op.batch_alter_table("letters") as letters:
        letters.drop_constraint(op.f("fk_letters_circular_id_circulars"), type_="foreignkey")
        letters.create_foreign_key(
            op.f("fk_letters_mailing_id_mailings"),
            "mailings",
            ["mailing_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_index(op.f("ix_letters_mailing_id"), "letters", ["mailing_id"])
    op.drop_table("circulars")
    op.alter_column("registrations", "circulars_stopped_at", new_column_name="mailings_stopped_at")
    op.execute("UPDATE letters SET kind = 'mailing' WHERE kind = 'circular'")
    op.execute(
        "UPDATE letters SET key = 'mailing/' || substr(key, length('circular/') + 1)"
        " WHERE key LIKE 'circular/%'"
    )


def _create_mailings() -> None:
    op.create_table(
        "mailings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("discussion_id", sa.Integer(), nullable=False),
        sa.Column("organizer_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["discussion_id"],
            ["discussions.id"],
            name=op.f("fk_mailings_discussion_id_discussions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organizer_id"], ["organizers.id"], name=op.f("fk_mailings_organizer_id_organizers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailings")),
        sa.UniqueConstraint("public_id", name=op.f("uq_mailings_public_id")),
    )
    op.create_index(op.f("ix_mailings_discussion_id"), "mailings", ["discussion_id"])
