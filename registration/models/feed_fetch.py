"""Daily counts of feed fetches by kind of calendar service, without addresses."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime


class FeedReading(Model):
    """One day's fetches by one family of calendar services.

    `took` is the modification time of the feed that the family fetched last; None if it was empty.
    """

    __tablename__ = "feed_readings"

    day: Mapped[date] = mapped_column(primary_key=True)
    family: Mapped[str] = mapped_column(primary_key=True)
    fetches: Mapped[int]
    not_modified: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    took: Mapped[datetime | None] = mapped_column(UtcDateTime)
