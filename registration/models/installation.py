"""The one row about the installation itself, the erasures it has made, and its limits."""

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime


class Installation(Model):
    """One row: which key seals, which public content is current, when what was last done.

    While `clock_jumped_at` stands, the clock has jumped, and erasure waits (`services.clock`).
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
    """A registration or a circular that was erased: its random id and when, nothing else."""

    __tablename__ = "erasures"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Throttle(Model):
    """A token bucket: how many tokens were in it at `at`. Its key is an HMAC with a daily salt."""

    __tablename__ = "throttles"

    bucket_key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tokens: Mapped[float]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
