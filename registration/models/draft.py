"""Drafts of discussions: the content of the form before publication."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime
from .stored import VersionedJson


class Draft(Model):
    """The one draft of a published or future discussion, by its slug; it is not public.

    `typed` is the content of the form, which may have mistakes. `based_on` is the version of the
    discussion that its last editor had seen; 0 if there was none.
    """

    __tablename__ = "drafts"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    typed: Mapped[dict[str, Any]] = mapped_column(VersionedJson)
    based_on: Mapped[int]
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizers.id"))
