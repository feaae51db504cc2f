"""Computes when personal data is erased."""

from datetime import datetime, timedelta

from ...config import Settings
from ...models import Discussion

# How long an unconfirmed registration is kept.
UNCONFIRMED_RETENTION = timedelta(hours=72)


def erase_at(
    discussion: Discussion,
    registered_at: datetime,
    settings: Settings,
    *,
    has_confirmed: bool = True,
) -> datetime:
    """Return when a registration's personal data is erased."""
    if not has_confirmed:
        return registered_at + UNCONFIRMED_RETENTION
    return max(discussion.ends_at, registered_at) + timedelta(days=settings.retention_days)
