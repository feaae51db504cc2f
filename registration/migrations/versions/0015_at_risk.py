"""Note when answers and attendance of a registration were erased (AT_RISK), and until when the
registrations of a discussion are to be erased at once."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = {"registrations": "answers_erased_at", "discussions": "erase_registered_until"}


def upgrade() -> None:
    """Add the columns, empty."""
    for table, name in COLUMNS.items():
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
