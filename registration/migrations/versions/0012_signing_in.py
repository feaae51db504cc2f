"""How often an invitation was opened, and failed sign-ins by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organizers",
        sa.Column("invitation_openings", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "organizers",
        sa.Column("invitation_opened_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "failed_sign_ins",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_failed_sign_ins")),
    )
