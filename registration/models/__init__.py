"""The tables. Importing this package registers all of them in `Model.metadata`."""

from .audit_log import AuditEntry, Deed
from .content import NAME_RULES, Content, Contributor, Partner, Question, Sharing
from .discussion import (
    ANSWERS_RETENTION,
    Announcement,
    Discussion,
    DiscussionStatus,
    Essentials,
    Revision,
)
from .draft import Draft
from .export import Export
from .feed_fetch import FeedReading
from .installation import Erasure, Installation, Throttle
from .letter import Letter, LetterKind, LetterState
from .mailing import Group, Mailing, MailingState, Wording
from .organizer import Grant, Identity, Organizer, Role, SignIn, organizer_index
from .registration import (
    REGISTERED,
    Answer,
    Attendee,
    Registration,
    RegistrationStatus,
    address_index,
    as_sealed,
)
from .when import Tense, When

__all__ = [
    "ANSWERS_RETENTION",
    "NAME_RULES",
    "REGISTERED",
    "Announcement",
    "Answer",
    "Attendee",
    "AuditEntry",
    "Content",
    "Contributor",
    "Deed",
    "Discussion",
    "DiscussionStatus",
    "Draft",
    "Erasure",
    "Essentials",
    "Export",
    "FeedReading",
    "Grant",
    "Group",
    "Identity",
    "Installation",
    "Letter",
    "LetterKind",
    "LetterState",
    "Mailing",
    "MailingState",
    "Organizer",
    "Partner",
    "Question",
    "Registration",
    "RegistrationStatus",
    "Revision",
    "Role",
    "Sharing",
    "SignIn",
    "Tense",
    "Throttle",
    "When",
    "Wording",
    "address_index",
    "as_sealed",
    "organizer_index",
]
