"""People who send the form one after the other, and read what it answers."""

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from ..server_process import Server
from .clients import Ledger, opened


@dataclass(slots=True)
class Answers:
    """How forms were answered: by status, and how many refusals did not keep what was typed."""

    statuses: Counter[int] = field(default_factory=Counter)
    dropped: int = 0

    def __str__(self) -> str:
        told = ", ".join(f"{number} answers of {code}" for code, number in self.statuses.items())
        return f"{told}; {self.dropped} of them without what was typed"

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(self.statuses + other.statuses, self.dropped + other.dropped)

    @property
    def holds(self) -> bool:
        """Whether each was taken, or refused as busy with everything kept."""
        return self.statuses.keys() <= {303, 503} and not self.dropped

    @property
    def all_taken(self) -> bool:
        """Whether there were forms, and each was taken."""
        return self.statuses.keys() == {303}


class People:
    """People who send the form one after the other."""

    def __init__(self, server: Server, ledger: Ledger) -> None:
        self.server, self.ledger = server, ledger
        self.form = opened(server)
        self.numbers = count(1)

    def reopen(self) -> None:
        """Open the form anew: the one that is open may have become too old."""
        self.form = opened(self.server)

    def send(self, most: int, refusals: int | None = None) -> Answers:
        """Send `most` forms, or until there were so many `refusals`."""
        answers = Answers()
        for _ in range(most):
            address = f"person{next(self.numbers)}@example.org"
            status, is_kept = self.form.send(self.server, self.ledger, address)
            answers.statuses[status] += 1
            answers.dropped += status != 303 and not is_kept
            if answers.statuses[503] == refusals:
                break
        return answers

    def seconds_for(self, path: str) -> float:
        """Return how long a page takes."""
        started = time.monotonic()
        assert self.server.get(path).status == 200
        return time.monotonic() - started
