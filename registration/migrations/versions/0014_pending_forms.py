"""Forms wait beside their registration until their own link confirms them; proved addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Only a link that was sent proves an address: rows of an import, and of discussions that ask no
# confirmation, were confirmed without one.
PROVED = """
    UPDATE registrations SET address_proved_at = confirmed_at
    WHERE confirmed_at > registered_at AND EXISTS (
        SELECT 1 FROM letters
        WHERE letters.registration_id = registrations.id
        AND letters.kind = 'address_confirmation'
        AND letters.sent_at <= registrations.confirmed_at
    )
"""


def upgrade() -> None:
    op.create_table(
        "pending_forms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("registration_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registrations.id"],
            name=op.f("fk_pending_forms_registration_id_registrations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_forms")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_pending_forms_token_hash")),
    )
    op.create_index(op.f("ix_pending_forms_registration_id"), "pending_forms", ["registration_id"])
    op.add_column("letters", sa.Column("pending_form_id", sa.Integer(), nullable=True))
    # For references SQLite makes the table anew, with foreign keys off (operations.migration).
    with op.batch_alter_table("letters") as letters:
        letters.create_foreign_key(
            op.f("fk_letters_pending_form_id_pending_forms"),
            "pending_forms",
            ["pending_form_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_index(op.f("ix_letters_pending_form_id"), "letters", ["pending_form_id"])
    op.add_column(
        "registrations", sa.Column("address_proved_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute(PROVED)
