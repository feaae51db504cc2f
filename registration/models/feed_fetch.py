"""How often each kind of calendar service fetched the feed: daily counts, nobody's address."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime


class FeedReading(Model):
    """One day of one family of readers. `took` is when what it last has of the feed had changed;
    None if it has an empty one."""

    __tablename__ = "feed_readings"

    day: Mapped[date] = mapped_column(primary_key=True)
    family: Mapped[str] = mapped_column(primary_key=True)
    fetches: Mapped[int]
    not_modified: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    took: Mapped[datetime | None] = mapped_column(UtcDateTime)
