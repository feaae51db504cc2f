"""Another process holds the database's write lock: pages answer, forms are refused and kept."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from registration.database import writing
from registration.services import catalog
from registration.services.seats import allocation

from .clients import FORM
from .figures import Figure, Scale
from .installations import SLUG, Installation
from .people import Answers, People
from .trials import on_both, trial

SENDERS = 4
PAGES = ("/", f"/discussions/{SLUG}", FORM, f"/discussions/{SLUG}.ics", "/privacy")


def run(scale: Scale) -> Iterator[Figure]:
    """Hold the lock for half a minute, or longer than a form waits for it."""
    return on_both(scale, partial(_held, seconds=scale.of(30, 6)))


def _held(kind: str, seconds: int) -> Iterator[Figure]:
    with trial(kind) as tried:
        tried.people.send(1)
        refused, slowest = _while_locked(tried.made, tried.people, seconds)
        after = tried.people.send(5)
    holds = refused.holds and refused.statuses.keys() == {503} and slowest < 1
    yield Figure(
        f"{kind}: the write lock is held by another process for {seconds} s",
        f"the slowest page took {slowest:.2f} s; {refused}; afterwards {after}; {tried.compared}",
        holds and after.all_taken and tried.is_sound,
    )


def _while_locked(made: Installation, people: People, seconds: int) -> tuple[Answers, float]:
    """Return how forms were answered meanwhile, and how many seconds the slowest page took."""
    end = time.monotonic() + seconds
    refused, slowest = Answers(), 0.0
    is_over = threading.Event()
    with (
        ThreadPoolExecutor(SENDERS) as senders,
        made.seen(),
        writing() as tx,
        allocation.locked_discussion(tx, catalog.find_id(tx, SLUG)),
    ):
        sent = [senders.submit(_send_until, is_over, people) for _ in range(SENDERS)]
        while time.monotonic() < end:
            slowest = max(slowest, *map(people.seconds_for, PAGES))
            time.sleep(0.1)
        is_over.set()
        for answers in sent:
            refused += answers.result()
    return refused, slowest


def _send_until(is_over: threading.Event, people: People) -> Answers:
    answers = Answers()
    while not is_over.is_set():
        answers += people.send(1)
    return answers
