"""Note when the answers and the attendance of a registration were erased (AT_RISK)."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a registration whose answers were never erased has none."""
    column = sa.Column("answers_erased_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("registrations", column)
