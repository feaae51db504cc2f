"""The clock jumps, by libfaketime: ten days ahead, and a year, and back, while the service runs.

Nobody is erased early, no letter stays unsent, nothing acknowledged is lost.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import ColumnElement, func, select

from registration import app_context
from registration.database import reading
from registration.models import Letter, LetterState, Registration
from registration.services import installation

from . import sabotaged
from .figures import Figure, Scale
from .installations import Installation, skipped
from .people import Answers
from .trials import on_both, trial

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
# In hours.
A_DAY, TEN_DAYS, A_YEAR = 24, 240, 8760
JUMPS = (TEN_DAYS, 0, A_YEAR, 0)
PEOPLE = 3
# In seconds: the worker looks every second, and makes its round when an hour seems to be over.
PATIENCE = 40.0


class Clock:
    """The clock of processes started with `program`, which follows while they run."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.file = folder / "now"
        self.set(0)
        settings = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": self.file,
            "FAKETIME_NO_CACHE": 1,
            # A clock that is set leaves the monotonic one alone.
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
            "DONT_FAKE_MONOTONIC": 1,
        }
        named = (f"{name}={value}" for name, value in settings.items())
        self.program = ("env", *named, *sabotaged.program("sleep_by_waiting"))

    def set(self, hours: float) -> None:
        """Set it `hours` ahead of the machine's clock."""
        new = self.file.with_suffix(".new")
        new.write_text(f"+{hours}h")
        new.rename(self.file)


def library() -> Path | None:
    """Return libfaketime for processes with threads, if it is installed."""
    found = (path for place in LIBRARIES for path in Path(place).rglob("libfaketimeMT.so.1"))
    return next(found, None)


@contextmanager
def clock() -> Iterator[Clock]:
    """Make a clock that can be set."""
    found = library()
    assert found is not None
    with TemporaryDirectory(prefix="clock-") as folder:
        yield Clock(Path(folder), found)


def run(scale: Scale) -> Iterator[Figure]:
    """Let the clock jump under a running service."""
    if library() is None:
        yield skipped("the clock jumps", "libfaketime is not installed (apt install faketime)")
        return
    yield from on_both(scale, _jumping)


def _jumping(kind: str) -> Iterator[Figure]:
    answers, kept = Answers(), []
    with clock() as now, trial(kind, program=now.program) as tried:
        # Nothing is accepted at first: the time of each next attempt is jumped over.
        tried.mail.refusals["RCPT"] = lambda _address: "451 later"
        for hours in (0, *JUMPS):
            now.set(hours)
            tried.people.reopen()
            answers += tried.people.send(PEOPLE)
            _wait_for_round(tried.made, hours)
            eventually(lambda: not letters(tried.made, Letter.attempts == 0), "no letter left")
            kept.append(_registrations(tried.made))
        del tried.mail.refusals["RCPT"]
        now.set(A_DAY)
        eventually(lambda: not letters(tried.made, Letter.state != LetterState.SENT), "not sent")
    all_kept = kept == [PEOPLE * number for number in range(1, len(kept) + 1)]
    told = ", ".join(f"{hours:+,} h" for hours in JUMPS)
    yield Figure(
        f"{kind}: the clock of the running service is set to {told} and then a day ahead",
        f"{answers}; registrations after each: {kept}; {tried.compared}",
        answers.all_taken and all_kept and tried.is_sound,
    )
    yield _erased_late(kind)


def _erased_late(kind: str) -> Figure:
    left = []
    with clock() as now, trial(kind, program=now.program) as tried:
        tried.people.send(PEOPLE)
        _wait_for_round(tried.made, 0)
        for hours in (TEN_DAYS, TEN_DAYS + A_DAY + 1):
            now.set(hours)
            _wait_for_round(tried.made, hours)
            left.append(_registrations(tried.made))
    return Figure(
        f"{kind}: what was due for erasure when the clock jumped ten days ahead, and a day later",
        f"left of {PEOPLE} registrations: {left[0]}, then {left[1]}",
        left == [PEOPLE, 0],
    )


def _wait_for_round(made: Installation, hours: int) -> None:
    """Wait until the worker has made its round at the time that the clock shows now."""

    def is_made() -> bool:
        with made.seen(), reading() as tx:
            last = installation.last_round_at(tx)
        expected = app_context.utc_now() + timedelta(hours=hours)
        return last is not None and abs(last - expected) < timedelta(minutes=30)

    eventually(is_made, "no round was made")


def letters(made: Installation, which: ColumnElement[bool]) -> int:
    """Return how many letters are `which`."""
    with made.seen(), reading() as tx:
        return tx.scalars(select(func.count(Letter.id)).where(which)).one()


def _registrations(made: Installation) -> int:
    with made.seen(), reading() as tx:
        return tx.scalars(select(func.count(Registration.id))).one()


def eventually(holds: Callable[[], bool], complaint: str) -> None:
    """Wait until it `holds`; raise `TimeoutError` with `complaint` if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.1)
