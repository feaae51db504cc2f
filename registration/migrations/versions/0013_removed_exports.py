"""Exports are removed when somebody is erased, and written anew on the host that has them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "exports", sa.Column("is_removed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("exports", sa.Column("host", sa.String(), nullable=False, server_default=""))
