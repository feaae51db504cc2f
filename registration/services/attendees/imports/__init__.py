"""Imports attendees from a CSV: one of our exports, or a list of names and addresses.

`read` parses a file into rows and mistakes; `plan` says what adding the rows would do; `add` adds
all of them or none.
"""

from .plan import Plan, add, plan, prepare
from .sheet import MAX_BYTES, MAX_ROWS, NoSheet, Row, Sheet, read

__all__ = [
    "MAX_BYTES",
    "MAX_ROWS",
    "NoSheet",
    "Plan",
    "Row",
    "Sheet",
    "add",
    "plan",
    "prepare",
    "read",
]
