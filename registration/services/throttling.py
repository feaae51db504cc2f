"""Limits what one address may cause: buckets of tokens in the database.

A bucket's key is an HMAC of whom it is for and of the day, so that the table alone tells nothing
of anybody. Who has the key ring too could try an address; the buckets of a day are removed when
it is over.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..models import Throttle
from ..sealing import Ring


def take(session: Session, *bucket: str, capacity: int, ring: Ring, now: datetime) -> bool:
    """Take a token from a bucket that holds `capacity` and is full again when the day (UTC) ends.

    Returns False if it is empty. Either way the row is written: the time this takes does not
    tell which. It is one statement, so that nobody who asks at the same moment gets a token more.
    """
    key = ring.index("throttle", now.date().isoformat(), *bucket)
    inserting: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    first = inserting[session.get_bind().dialect.name](Throttle)
    taken = (
        first.values(bucket_key=key, tokens=capacity - 1, at=now)
        .on_conflict_do_update(
            index_elements=[Throttle.bucket_key],
            set_={Throttle.tokens: Throttle.tokens - 1, Throttle.at: now},
        )
        .returning(Throttle.tokens)
    )
    left: float = session.scalars(taken).one()
    return left >= 0


def forget(session: Session, *, now: datetime) -> None:
    """Remove the buckets of days gone by: their keys cannot come again."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    session.execute(delete(Throttle).where(Throttle.at < today))
