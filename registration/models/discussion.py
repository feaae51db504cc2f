"""Discussions and their revisions."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, UtcDateTime, by_value
from .content import Content, ContentType, content_as_json, content_from_json, digest
from .stored import VersionedJson
from .when import Tense, When

# Where attendees are at risk, answers and attendance are kept for so long after the discussion.
ANSWERS_RETENTION = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Essentials:
    """Time, cancellation and join link: attendees get a letter when these change."""

    when: When
    is_cancelled: bool
    join_url: str

    def without_link(self) -> "Essentials":
        """Return the essentials for an attendee without a seat."""
        return replace(self, join_url="")

    def is_news_after(self, told: "Essentials") -> bool:
        """Whether an attendee who was told `told` needs a letter.

        A change of time in a cancelled discussion needs none.
        """
        return not told.is_cancelled if self.is_cancelled else self != told


class DiscussionStatus(StrEnum):
    """The status of a discussion; whether it has begun or ended follows from `When`."""

    PUBLISHED = "published"
    CANCELLED = "cancelled"
    UNPUBLISHED = "unpublished"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The content of a discussion file: everything that an organizer states."""

    slug: str
    uid: str | None
    when: When
    seats: int | None
    content: Content

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value, without UID and instants.

        The UID never changes, and files state no instants.
        """
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
        """A hash of the content: two announcements have the same only if they are equal."""
        values = self.as_json()
        if not self.content.names:  # older releases have stored digests without this field
            del values["content"]["names"]
        return digest(values)


class Discussion(Model):
    """A published discussion.

    `uid` never changes. `sequence` rises when start, end or status changes (RFC 5545 3.8.7.4),
    `version` and `changed_at` on every change. `starts_at` and `ends_at` are the announced
    instants; a change of the time zone database is detected by comparing with them. `time_set_at`
    is when the time or the reminders were last set. `cancelled_why` is set while it is cancelled.
    `follow_up_at` is when follow-ups are due after the end; None if none are. `loud_version` is the
    last version that was not published quietly. A new registration's calendar sequence starts at
    `first_calendar_sequence`, above those of erased registrations. While everybody who registered
    until then is being erased, `erase_registered_until` is set.
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
    erase_registered_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

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
        """The current state as a JSON value, for a revision."""
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
        """Whether it is cancelled, also if it was unpublished afterwards."""
        return self.cancelled_why is not None

    @property
    def is_public(self) -> bool:
        """Whether it has a public page."""
        return self.status is not DiscussionStatus.UNPUBLISHED

    def can_be_joined(self, tense: Tense) -> bool:
        """Whether the join link can still be used."""
        return not self.is_cancelled and tense is not Tense.PAST

    def is_on(self, now: datetime) -> bool:
        """Whether it is published, neither cancelled nor over: then seats are given."""
        return self.status is DiscussionStatus.PUBLISHED and not self.is_over(now)

    def is_over(self, now: datetime) -> bool:
        """Whether it has taken place, and its registration is closed."""
        return self.ends_at <= now and not self.takes_registrations(now)

    def has_follow_up(self, now: datetime) -> bool:
        """Whether it has taken place, and has a recording or an afterword."""
        is_over = self.status is DiscussionStatus.PUBLISHED and self.ends_at <= now
        return is_over and bool(self.content.recording_url or self.content.afterword)

    def answers_erase_at(self, registered_at: datetime) -> datetime:
        """Return when an installation at risk erases answers and attendance of a registration."""
        return max(self.ends_at, registered_at) + ANSWERS_RETENTION

    @property
    def registration_closes_at(self) -> datetime | None:
        """When registration closes by itself, in UTC; None if it never does, or is closed."""
        rule = self.content.registration
        if rule == "end":
            return self.ends_at
        return None if rule in {"open", "closed"} else datetime.fromisoformat(rule)

    def takes_registrations(self, now: datetime) -> bool:
        """Whether registration is open at `now`."""
        closes = self.registration_closes_at
        return (
            self.status is DiscussionStatus.PUBLISHED
            and self.content.registration != "closed"
            and (closes is None or now < closes)
        )


class Revision(Model):
    """The state of a discussion between two changes."""

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("discussion_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    discussion_id: Mapped[int] = mapped_column(ForeignKey("discussions.id", ondelete="CASCADE"))
    number: Mapped[int]
    snapshot: Mapped[dict[str, Any]] = mapped_column(VersionedJson)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def essentials(self) -> Essentials:
        join_url = self.snapshot["content"]["join_url"]
        return Essentials(self.when, self.snapshot["cancelled_why"] is not None, join_url)

    @property
    def when(self) -> When:
        when = self.snapshot["when"]
        return When(
            datetime.fromisoformat(when["starts_local"]),
            datetime.fromisoformat(when["ends_local"]),
            when["zone"],
            when["all_day"],
            datetime.fromisoformat(self.snapshot["starts_at"]),
            datetime.fromisoformat(self.snapshot["ends_at"]),
        )

    @property
    def announcement(self) -> Announcement:
        """The announcement of that time, without the UID."""
        content = content_from_json(self.snapshot["content"])
        seats = self.snapshot["seats"]
        return Announcement(self.snapshot["slug"], None, self.when, seats, content)
