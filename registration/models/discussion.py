"""A discussion as it is published, and its revisions."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value
from .content import Content, ContentType, content_as_json, content_from_json, digest
from .stored import VersionedJson
from .when import Tense, When


@dataclass(frozen=True, slots=True)
class Essentials:
    """What attendees hold on to, and are told by letter when it changes."""

    when: When
    is_cancelled: bool
    join_url: str

    def without_link(self) -> "Essentials":
        """Return what those who have no seat are told."""
        return replace(self, join_url="")

    def is_news_after(self, told: "Essentials") -> bool:
        """Whether who was told `told` has to hear of this: not of the time of what is off."""
        return not told.is_cancelled if self.is_cancelled else self != told


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
        """Return it as values that JSON has, without the UID, which never changes, and the
        instants, which no file states."""
        values = asdict(self)
        del values["uid"]
        when = self.when
        values["when"] = {
            "starts_local": when.starts_local.isoformat(),
            "ends_local": when.ends_local.isoformat(),
            "zone": when.zone,
            "all_day": when.all_day,
        }
        return values

    @property
    def digest(self) -> str:
        """Equal for two announcements exactly if they say the same."""
        return digest(self.as_json())


class Discussion(Model):
    """A published discussion.

    `uid` never changes. `sequence` rises when start, end or status changes (RFC 5545 3.8.7.4),
    `version` and `changed_at` on every change. `starts_at` and `ends_at` are the announced
    instants, kept so that a moved time zone is noticed; `time_set_at` says when they, or what
    reminds of them, were set. `cancelled_why` is there while it is cancelled. `follow_up_at` is
    when to tell what came of it, once it is over; None where nobody is told. `loud_version` is
    the last that was not published quietly. `first_calendar_sequence` is where whoever registers
    begins to count: beyond what anybody was sent who has been erased since.
    """

    __tablename__ = "discussions"
    __table_args__ = (CheckConstraint("seats > 0", name="seats"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    uid: Mapped[str] = mapped_column(unique=True)
    sequence: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    loud_version: Mapped[int] = mapped_column(default=1)
    first_calendar_sequence: Mapped[int] = mapped_column(default=0)
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
    time_set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    organizer_address: Mapped[str]
    seats: Mapped[int | None]
    cancelled_why: Mapped[str | None]
    follow_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def when(self) -> When:
        return When(
            self.starts_local,
            self.ends_local,
            self.zone,
            self.all_day,
            self.starts_at,
            self.ends_at,
        )

    @when.setter
    def when(self, when: When) -> None:
        self.all_day, self.zone = when.all_day, when.zone
        self.starts_local, self.ends_local = when.starts_local, when.ends_local
        self.starts_at, self.ends_at = when.starts_at, when.ends_at

    @property
    def announcement(self) -> Announcement:
        return Announcement(self.slug, self.uid, self.when, self.seats, self.content)

    @announcement.setter
    def announcement(self, stated: Announcement) -> None:
        self.content, self.seats, self.when = stated.content, stated.seats, stated.when

    @property
    def essentials(self) -> Essentials:
        return Essentials(self.when, self.is_cancelled, self.content.join_url)

    @property
    def snapshot(self) -> dict[str, Any]:
        """All that is public of it now, as values that JSON has: what a revision keeps."""
        return {
            "status": self.status.value,
            "cancelled_why": self.cancelled_why,
            "sequence": self.sequence,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            **self.announcement.as_json(),
            "content": content_as_json(self.content),
        }

    @property
    def is_cancelled(self) -> bool:
        """Whether it is off, also where it has been taken off the public pages since."""
        return self.cancelled_why is not None

    @property
    def is_public(self) -> bool:
        """Whether it has a page."""
        return self.status is not DiscussionStatus.UNPUBLISHED

    def can_be_joined(self, tense: Tense) -> bool:
        """Whether the link to join is of any use."""
        return not self.is_cancelled and tense is not Tense.PAST

    def is_over(self, now: datetime) -> bool:
        """Whether it has taken place, and takes no registrations for what follows from it."""
        return self.ends_at <= now and not self.takes_registrations(now)

    def has_follow_up(self, now: datetime) -> bool:
        """Whether it has taken place, and there is something to tell of it."""
        is_over = self.status is DiscussionStatus.PUBLISHED and self.ends_at <= now
        return is_over and bool(self.content.recording_url or self.content.afterword)

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
    snapshot: Mapped[dict[str, Any]] = mapped_column(VersionedJson)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def essentials(self) -> Essentials:
        held = self.snapshot
        join_url = held["content"]["join_url"]
        return Essentials(self.when, held["cancelled_why"] is not None, join_url)

    @property
    def when(self) -> When:
        held, when = self.snapshot, self.snapshot["when"]
        return When(
            datetime.fromisoformat(when["starts_local"]),
            datetime.fromisoformat(when["ends_local"]),
            when["zone"],
            when["all_day"],
            datetime.fromisoformat(held["starts_at"]),
            datetime.fromisoformat(held["ends_at"]),
        )

    @property
    def announcement(self) -> Announcement:
        """What was announced then, without the UID."""
        held = self.snapshot
        content = content_from_json(held["content"])
        return Announcement(held["slug"], None, self.when, held["seats"], content)
