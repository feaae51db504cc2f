"""Tables of the installation itself: its single row, its erasures, and its rate limits."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime


class Installation(Model):
    """A single row: the current key, the version of the public content, and times of past runs.

    `clock_jumped_at` is set while erasure waits after a clock jump (`erasure.clock_guard`).
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key_fingerprint: Mapped[str]
    content_version: Mapped[int] = mapped_column(default=0)
    last_round_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_backup_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    clock_jumped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Erasure(Model):
    """An erased registration or mailing: its random id and the day of erasure (UTC), nothing else.

    Rows are stored by their random id, so that their order tells no more than the day.
    """

    __tablename__ = "erasures"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    public_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date]


class BucketLevel(Model):
    """The tokens of a bucket (`services.rate_limits`) at the time `at`. The key is an HMAC with a
    daily salt."""

    __tablename__ = "throttles"

    bucket_key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tokens: Mapped[float]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
