"""When to tell what came of a discussion; its last version that was not quiet; where the calendar
counts of those who register again begin."""

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
    for name, default in (("loud_version", "1"), ("first_calendar_sequence", "0")):
        op.add_column(
            "discussions",
            sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(default)),
        )
    op.execute("UPDATE discussions SET loud_version = version")
