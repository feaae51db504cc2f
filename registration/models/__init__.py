"""The tables. Importing this package makes all of them known to `Model.metadata`."""

from .content import Content, Contributor, Partner, Question, Sharing
from .discussion import Announcement, Discussion, DiscussionStatus, Essentials, Revision
from .export import Export
from .feed_reading import FeedReading
from .installation import Erasure, Installation, Throttle
from .letter import Letter, LetterKind, LetterState
from .registration import (
    Answer,
    Attendee,
    Registration,
    RegistrationStatus,
    address_index,
    unsealed,
)
from .when import Tense, When

__all__ = [
    "Announcement",
    "Answer",
    "Attendee",
    "Content",
    "Contributor",
    "Discussion",
    "DiscussionStatus",
    "Erasure",
    "Essentials",
    "Export",
    "FeedReading",
    "Installation",
    "Letter",
    "LetterKind",
    "LetterState",
    "Partner",
    "Question",
    "Registration",
    "RegistrationStatus",
    "Revision",
    "Sharing",
    "Tense",
    "Throttle",
    "When",
    "address_index",
    "unsealed",
]
