"""A discussion as it is published, and its revisions."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value
from .content import Content, ContentType, digest
from .when import When


class DiscussionStatus(StrEnum):
    """What has become of a discussion; times are told by `When`."""

    PUBLISHED = "published"
    CANCELLED = "cancelled"
    UNPUBLISHED = "unpublished"


@dataclass(frozen=True, slots=True)
class Announcement:
    """All that an organizer states of a discussion: what a discussion file holds."""

    slug: str
    uid: str | None
    when: When
    seats: int | None
    content: Content

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON has, the UID left out: it never changes."""
        values = asdict(self)
        del values["uid"]
        values["when"]["starts_local"] = self.when.starts_local.isoformat()
        values["when"]["ends_local"] = self.when.ends_local.isoformat()
        return values

    @property
    def digest(self) -> str:
        """Equal for two announcements exactly if they say the same."""
        return digest(self.as_json())


class Discussion(Model):
    """A published discussion.

    `uid` never changes. `sequence` rises when start, end or status changes (RFC 5545 3.8.7.4),
    `version` and `changed_at` on every change. `starts_at` and `ends_at` are the announced
    instants, kept so that a moved time zone is noticed.
    """

    __tablename__ = "discussions"
    __table_args__ = (CheckConstraint("seats > 0", name="seats"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    uid: Mapped[str] = mapped_column(unique=True)
    sequence: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    status: Mapped[DiscussionStatus] = mapped_column(by_value(DiscussionStatus))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[Content] = mapped_column(ContentType)
    file_digest: Mapped[str | None]
    all_day: Mapped[bool]
    starts_local: Mapped[datetime]
    ends_local: Mapped[datetime]
    zone: Mapped[str | None]
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    organizer_address: Mapped[str]
    seats: Mapped[int | None]

    @property
    def when(self) -> When:
        return When(self.starts_local, self.ends_local, self.zone, self.all_day)

    @property
    def announcement(self) -> Announcement:
        return Announcement(self.slug, self.uid, self.when, self.seats, self.content)

    @announcement.setter
    def announcement(self, stated: Announcement) -> None:
        when = stated.when
        self.content, self.seats = stated.content, stated.seats
        self.all_day, self.zone = when.all_day, when.zone
        self.starts_local, self.ends_local = when.starts_local, when.ends_local
        self.starts_at, self.ends_at = when.starts_at, when.ends_at

    @property
    def registration_closes_at(self) -> datetime | None:
        """When registration closes by itself, in UTC; None if it never does, or is closed."""
        rule = self.content.registration
        if rule == "end":
            return self.ends_at
        return None if rule in {"open", "closed"} else datetime.fromisoformat(rule)

    def takes_registrations(self, now: datetime) -> bool:
        """Whether the form is open at `now`."""
        closes = self.registration_closes_at
        return (
            self.status is DiscussionStatus.PUBLISHED
            and self.content.registration != "closed"
            and (closes is None or now < closes)
        )


class Revision(Model):
    """What a discussion said from one change to the next."""

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("discussion_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"))
    number: Mapped[int]
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
