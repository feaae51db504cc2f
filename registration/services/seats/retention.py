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


def answers_erase_at(
    discussion: Discussion, registered_at: datetime, settings: Settings
) -> datetime | None:
    """Return when answers and attendance are erased; None if not before everything else is."""
    at = discussion.answers_erase_at(registered_at)
    is_earlier = at < erase_at(discussion, registered_at, settings)
    return at if settings.at_risk and is_earlier else None
