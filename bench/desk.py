"""The desk with 50,000 attendees: `python -m bench.desk [COUNT]`.

Each page beside the bare one (the form to sign in, which asks the database nothing); search and
sort beside the unsealing that they cannot do without; an export by the memory it takes, and by how
long a registration waits meanwhile.
"""

import re
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from registration import create_app
from registration.database import reading, writing
from registration.models import Registration, RegistrationStatus
from registration.services import catalog
from registration.services.attendees import exports, imports
from registration.services.attendees.imports import Row
from registration.services.registrations import register
from registration.services.registrations.register import Entry
from registration.text import addresses
from tests import builders
from tests.conftest import Clock, install
from tests.desk import Desk, signed_in

RUNS = 5
WATER = "/organizer/discussions/water"
NAMES = ["Айгерим", "Ерлан", "Dina", "Serik", "Қайрат", "Әсел", "Jonathan"]


def main(count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
        app = create_app({"INSTANCE": folder}, clock=clock)
        install(app)
        with app.app_context():
            _fill(count, clock)
            desk = signed_in(app, clock)
            _pages(desk, count)
            _sealed(desk, count)
            _export(app, count)


def _fill(count: int, clock: Clock) -> None:
    """Let people register: the last tenth waits."""
    builders.publish(builders.file(f"seats = {max(1, count * 9 // 10)}"))
    began = time.perf_counter()
    rows = [_row(number, clock.now) for number in range(count)]
    with reading() as tx:
        discussion, ring = catalog.find(tx, "water"), tx.keys
    prepared = imports.prepare(discussion, rows, ring=ring, settings=tx.settings, now=tx.now)
    with writing() as tx:
        locked = time.perf_counter()
        imports.add(tx, "water", prepared, is_told=True)
    took, held = time.perf_counter() - began, time.perf_counter() - locked
    print(f"{count} people are imported, with their letters, in {took:.1f} s,", end=" ")
    print(f"of which nobody else can write for {held:.1f} s\n")


def _row(number: int, now: datetime) -> Row:
    name = f"{NAMES[number % len(NAMES)]} {NAMES[number % 5]} {number}"
    entry = Entry(name, addresses.parse(f"person{number}@example.org"), "KazNU, Almaty")
    return Row(number + 2, entry, RegistrationStatus.CONFIRMED, now, now, None, number % 3 == 0)


def _pages(desk: Desk, count: int) -> None:
    last = -(-count // 100)
    bare = _timed(lambda: desk.get("/organizer/sign-in"))
    print(f"{'bare page':28}{bare * 1000:8.1f} ms")
    for name, path in {
        "overview": "/organizer/",
        "discussion, with its chart": WATER,
        "attendees": f"{WATER}/attendees",
        "attendees, the middle page": f"{WATER}/attendees?page={last // 2}",
        "attendees, the last page": f"{WATER}/attendees?page={last}",
        "attendees who wait": f"{WATER}/attendees?who=waiting",
        "attendees a letter missed": f"{WATER}/attendees?who=letter failed",
        "attendees who came, page 9": f"{WATER}/attendees?who=attended&page=9",
        "one attendee": _one(desk),
    }.items():
        took = _timed(partial(desk.get, path))
        print(f"{name:28}{took * 1000:8.1f} ms {took / bare:6.1f} times the bare page")


def _one(desk: Desk) -> str:
    found = re.search(rf"{WATER}/attendees/[0-9a-f]{{32}}", desk.get(f"{WATER}/attendees").text)
    assert found
    return found[0]


def _sealed(desk: Desk, count: int) -> None:
    with reading() as tx:
        ring = tx.keys
        sealed = tx.scalars(select(Registration.sealed)).all()
    alone = _timed(lambda: [ring.unseal(item) for item in sealed] and None)
    print(f"\n{'unsealing all, alone':28}{alone * 1000:8.1f} ms")
    search = desk.fill(f"{WATER}/attendees", f"{WATER}/attendees", search=f"әсел {count - 1}"[:-1])
    for name, path in {
        "search": search.location,
        "by name, the middle page": f"{WATER}/attendees?order=name&page={count // 200}",
    }.items():
        took = _timed(partial(desk.get, path))
        print(f"{name:28}{took * 1000:8.1f} ms {took / alone:6.1f} times the unsealing")


def _export(app: Flask, count: int) -> None:
    """Export everybody while others register."""
    with reading() as tx:
        names = exports.header(tx, "water")
    quiet = [_register(number) for number in range(20)]
    waits: list[float] = []
    stop = threading.Event()

    def keep_registering() -> None:
        with app.app_context():
            while not stop.wait(0.05):
                waits.append(_register(1000 + len(waits)))

    others = threading.Thread(target=keep_registering)
    others.start()
    began, before = time.perf_counter(), _memory()
    lines = exports.csv_lines(exports.attendees(reading, "water"), names)
    tenth, rows = 0.0, 0
    for rows, _line in enumerate(lines, start=1):
        if rows == count // 10:
            tenth = _memory()
    stop.set()
    others.join()
    print(f"\nexport of {rows - 1} rows: {time.perf_counter() - began:.1f} s;", end=" ")
    print(f"memory {before:.0f} MB, after a tenth {tenth:.0f}, at the end {_memory():.0f}")
    print(f"a registration meanwhile: median {statistics.median(waits) * 1000:.0f} ms,", end=" ")
    print(f"at most {max(waits) * 1000:.0f} ms ({len(waits)} of them);", end=" ")
    print(f"without an export {statistics.median(quiet) * 1000:.0f} ms")


def _register(number: int) -> float:
    entry = Entry("Somebody", addresses.parse(f"late{number}@example.org"))
    began = time.perf_counter()
    with writing() as tx:
        register.register(tx, "water", entry)
    return time.perf_counter() - began


def _memory() -> float:
    """Return how much this process has in memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _timed(act: Callable[[], object]) -> float:
    """Return the median of some runs, in seconds."""
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
