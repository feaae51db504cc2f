"""When to tell what came of a discussion."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "discussions", sa.Column("follow_up_at", sa.DateTime(timezone=True), nullable=True)
    )
