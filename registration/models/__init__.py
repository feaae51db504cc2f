"""The tables. Importing this package registers all of them in `Model.metadata`."""

from .audit_log import ATTENDEE_DEEDS, AuditEntry, Deed
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
from .installation import BucketLevel, Erasure, Installation
from .letter import TO_ORGANIZERS, Letter, LetterKind, LetterState
from .mailing import Group, Mailing, MailingState, Wording
from .organizer import FailedSignIns, Grant, Identity, Organizer, Role, SignIn, organizer_index
from .pending_form import FormText, PendingForm
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
    "ATTENDEE_DEEDS",
    "NAME_RULES",
    "REGISTERED",
    "TO_ORGANIZERS",
    "Announcement",
    "Answer",
    "Attendee",
    "AuditEntry",
    "BucketLevel",
    "Content",
    "Contributor",
    "Deed",
    "Discussion",
    "DiscussionStatus",
    "Draft",
    "Erasure",
    "Essentials",
    "Export",
    "FailedSignIns",
    "FeedReading",
    "FormText",
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
    "PendingForm",
    "Question",
    "Registration",
    "RegistrationStatus",
    "Revision",
    "Role",
    "Sharing",
    "SignIn",
    "Tense",
    "When",
    "Wording",
    "address_index",
    "as_sealed",
    "organizer_index",
]
