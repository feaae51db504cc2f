"""Add an index for reading all registrations of a discussion in batches."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_registrations_in_order", "registrations", ["discussion_id", "id"])
