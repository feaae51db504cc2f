"""The outbox: a queue of owed letters, in the same database and transaction as their cause.

A letter is a row that names a kind and a registration. It contains nothing personal: the worker
composes the text when it sends the letter, from the data at that time. `claim` leases due rows to
one worker; the worker sends each letter and marks it. A letter whose worker crashes between
sending and marking is sent again with the same Message-ID: delivery is at least once.
"""

from .lease import (
    CLAIM_LOCK_ID,
    HOUR,
    LEASE,
    RATE_LIMITED_KINDS,
    RETRY_DELAYS,
    claim,
    has_due,
    has_owed,
    is_owed,
    rate_limited_due,
    rate_limited_left,
    sent_before,
)
from .queue import (
    drop,
    drop_all,
    drop_of_discussion,
    drop_of_forms,
    drop_waiting,
    every,
    held_ids,
    post,
    post_all,
    post_test,
    post_to_organizer,
    put_off,
    retry,
)
from .results import mark_dropped, mark_failed, mark_retry, mark_sent, release

__all__ = [
    "CLAIM_LOCK_ID",
    "HOUR",
    "LEASE",
    "RATE_LIMITED_KINDS",
    "RETRY_DELAYS",
    "claim",
    "drop",
    "drop_all",
    "drop_of_discussion",
    "drop_of_forms",
    "drop_waiting",
    "every",
    "has_due",
    "has_owed",
    "held_ids",
    "is_owed",
    "mark_dropped",
    "mark_failed",
    "mark_retry",
    "mark_sent",
    "post",
    "post_all",
    "post_test",
    "post_to_organizer",
    "put_off",
    "rate_limited_due",
    "rate_limited_left",
    "release",
    "retry",
    "sent_before",
]
