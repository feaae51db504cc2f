"""Exports: files of attendees that the service has written, and keeps free of erased ones."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime


class Export(Model):
    """One CSV file: its path and format, and the SHA-256 of its content.

    It contains registrations up to `last_id`. A stale one may contain an erased registration; one
    that the service has removed for that reason is to be written anew. `host` is the name of the
    machine that has the file, or empty if it is not known.
    """

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    discussion_id: Mapped[int] = mapped_column(
        ForeignKey("discussions.id", ondelete="CASCADE"), index=True
    )
    path: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    columns: Mapped[list[str]] = mapped_column(JSON)
    separator: Mapped[str]
    last_id: Mapped[int]
    is_stale: Mapped[bool]
    is_removed: Mapped[bool] = mapped_column(default=False)
    host: Mapped[str] = mapped_column(default="")
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
