"""Add the reason of a cancellation, when the time was set, and wishes for a follow-up.

Revisions get the announced instants.
"""

import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

# The pinned tzdata, not whatever the system has.
zoneinfo.reset_tzpath(to=())

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("discussions", sa.Column("cancelled_why", sa.String(), nullable=True))
    op.add_column(
        "registrations",
        sa.Column("wants_follow_up", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "feed_readings",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("fetches", sa.Integer(), nullable=False),
        sa.Column("not_modified", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("day", "family", name=op.f("pk_feed_readings")),
    )
    # A column that must have a value gets one of the past, and then its own.
    op.add_column(
        "discussions",
        sa.Column(
            "time_set_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'2020-01-01 00:00:00'"),
        ),
    )
    op.execute("UPDATE discussions SET time_set_at = changed_at")
    # A letter of a moved discussion told the date of erasure alone.
    op.execute("UPDATE letters SET kind = 'change' WHERE kind = 'erasure_date'")
    revisions = sa.table("revisions", sa.column("id"), sa.column("snapshot", sa.JSON()))
    for number, snapshot in op.get_bind().execute(sa.select(revisions)).all():
        more = {"cancelled_why": None, **_instants(snapshot["when"])}
        op.execute(
            revisions.update().where(revisions.c.id == number).values(snapshot={**more, **snapshot})
        )


def _instants(when: dict[str, Any]) -> dict[str, str]:
    """Return the instants of a span of wall time: a day without a zone begins first at UTC+14, and
    ends last at UTC-12."""
    return {
        "starts_at": _instant(when["starts_local"], when["zone"], timedelta(hours=14)),
        "ends_at": _instant(when["ends_local"], when["zone"], timedelta(hours=-12)),
    }


def _instant(local: str, zone: str | None, offset: timedelta) -> str:
    wall = datetime.fromisoformat(local)
    if zone is None:
        return (wall - offset).replace(tzinfo=UTC).isoformat()
    return wall.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC).isoformat()
