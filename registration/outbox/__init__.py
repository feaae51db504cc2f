"""The outbox: letters owed, in the same database and transaction as what they tell.

A letter is a row that says what is owed to which registration; it holds nothing personal and is
written when it is sent, from what is then true. `claim` hands due rows to one worker until a
lease ends; whoever sent one marks it. A crash between sending and marking sends it again, with
the same Message-ID: at least once.
"""

from .lease import (
    CLAIMING,
    DELAYS,
    FIRST,
    HOUR,
    LEASE,
    claim,
    first_due,
    first_left,
    has_due,
    is_owed,
    last_sent_at,
    owes,
)
from .queue import (
    drop,
    drop_all,
    drop_waiting,
    every,
    held,
    post,
    post_all,
    post_test,
    put_off,
    retry,
)
from .results import mark_dropped, mark_failed, mark_retry, mark_sent, release

__all__ = [
    "CLAIMING",
    "DELAYS",
    "FIRST",
    "HOUR",
    "LEASE",
    "claim",
    "drop",
    "drop_all",
    "drop_waiting",
    "every",
    "first_due",
    "first_left",
    "has_due",
    "held",
    "is_owed",
    "last_sent_at",
    "mark_dropped",
    "mark_failed",
    "mark_retry",
    "mark_sent",
    "owes",
    "post",
    "post_all",
    "post_test",
    "put_off",
    "release",
    "retry",
]
