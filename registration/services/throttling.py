"""Limits what one address, client or discussion may cause: token buckets in the database.

A bucket's key is an HMAC with a salt that lives a day and comes from the key ring and the date,
so that the table tells nothing of yesterday's visitors even to whoever has the keys tomorrow.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from ..models import Throttle
from ..sealing import Ring


def take(
    session: Session, *bucket: str, capacity: int, per: timedelta, ring: Ring, now: datetime
) -> bool:
    """Take a token from a bucket that holds `capacity` and fills up within `per`.

    Returns False if it is empty. Either way the row is written: the time this takes does not
    tell which.
    """
    key = ring.index("throttle", now.date().isoformat(), *bucket)
    row = session.execute(
        select(Throttle.tokens, Throttle.at).where(Throttle.bucket_key == key).with_for_update()
    ).one_or_none()
    if row is None:
        session.execute(insert(Throttle).values(bucket_key=key, tokens=capacity - 1, at=now))
        return True
    filled = max((now - row.at) / per, 0.0) * capacity
    tokens = min(row.tokens + filled, capacity)
    allowed: bool = tokens >= 1
    session.execute(
        update(Throttle)
        .where(Throttle.bucket_key == key)
        .values(tokens=tokens - 1 if allowed else tokens, at=now)
    )
    return allowed


def forget(session: Session, *, now: datetime) -> None:
    """Remove the buckets of days gone by: their keys cannot come again."""
    session.execute(delete(Throttle).where(Throttle.at < now - timedelta(days=2)))
