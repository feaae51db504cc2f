"""Create the table of circulars; columns of letters and registrations get their name."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circulars",
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
            name=op.f("fk_circulars_discussion_id_discussions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organizer_id"], ["organizers.id"], name=op.f("fk_circulars_organizer_id_organizers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_circulars")),
        sa.UniqueConstraint("public_id", name=op.f("uq_circulars_public_id")),
    )
    op.create_index(op.f("ix_circulars_discussion_id"), "circulars", ["discussion_id"])
    op.alter_column(
        "registrations", "announcements_stopped_at", new_column_name="circulars_stopped_at"
    )
    # Nothing has used either column of letters until now.
    op.alter_column("letters", "announcement_id", new_column_name="circular_id")
    # For references SQLite makes the table anew, with foreign keys off (operations.migration).
    with op.batch_alter_table("letters") as letters:
        letters.create_foreign_key(
            op.f("fk_letters_circular_id_circulars"),
            "circulars",
            ["circular_id"],
            ["id"],
            ondelete="SET NULL",
        )
        letters.create_foreign_key(
            op.f("fk_letters_organizer_id_organizers"), "organizers", ["organizer_id"], ["id"]
        )
    op.create_index(op.f("ix_letters_circular_id"), "letters", ["circular_id"])
