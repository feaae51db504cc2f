"""A figure: a trial, its result, and whether the result keeps the promise."""

from dataclasses import dataclass
from enum import Enum


class Scale(Enum):
    """How much is tried: the share of the full figures, or just enough to see that it works."""

    BRIEF = 0.0
    TENTH = 0.1
    FULL = 1.0

    def of(self, full: int, brief: int) -> int:
        """Return how many to try, where all is `full` and the least that tells is `brief`."""
        return max(brief, round(full * self.value))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: `found` in words and numbers, and whether it `holds`."""

    what: str
    found: str
    holds: bool
