"""Imports attendees from a CSV: our own export, or a list with names and addresses.

`read` makes rows of a file, or tells what is wrong with each; `plan` tells what adding them would
do; `add` does it, all or nothing.
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
