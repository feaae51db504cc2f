"""Add the time of follow-ups, the last version not published quietly, and the first calendar
sequence of new registrations."""

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
