"""`flask serve` is killed at any moment, and PostgreSQL under it: nothing acknowledged is lost.

Clients register and confirm over HTTP while kill -9 comes at seeded random times; the shipped
server with its mail worker is started again each time, and delivers to a real mail server.
"""

import fcntl
import os
import random
import signal
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from ..server_process import Server
from .clients import Ledger, Mailbox, at_work
from .comparing import LOST, Comparison, compare
from .figures import Figure, Scale
from .installations import Installation, has_postgres, installed, skipped

SEED = 20231207
CLIENTS = 12
# So many at least confirm, also where kills come too fast for letters.
CONFIRMED = 3
# In seconds: how long the service may take to come back before it is said not to.
PATIENCE = 60.0
# Of so many lives of the server, one is long enough for its worker to send letters.
LONG_LIFE = 5
# The byte of SQLite's -shm file that a writer holds locked (WAL_WRITE_LOCK).
WRITE_LOCK = 120
FLOCK = "hhqqi4x"
# The least share of kills that must fall inside a transaction.
ENOUGH = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does: kills on one kind of database, until so many are acknowledged."""

    kind: str
    kills: int
    registrations: int
    # Of so many kills, so many end PostgreSQL instead of the service.
    of_postgres: tuple[int, int] = (0, 1)


@dataclass(slots=True)
class Tally:
    """Kills during a plan: by the program killed, and those inside a writing transaction."""

    plan: Plan
    kills: dict[str, int] = field(default_factory=lambda: {"service": 0, "PostgreSQL": 0})
    inside: int = 0
    asked: int = 0
    acked: int = 0
    faults: int = 0
    comparison: Comparison | None = None


def run(scale: Scale) -> Iterator[Figure]:
    """Kill on SQLite and PostgreSQL, at the same time."""
    plans = [
        Plan("sqlite", scale.of(500, 4), scale.of(50_000, 200)),
        Plan("postgresql", scale.of(500, 4), scale.of(50_000, 200), of_postgres=(2, 5)),
    ]
    if not has_postgres():
        yield skipped("kills on PostgreSQL", "it is not installed")
        del plans[1]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        tallies = list(pool.map(carry_out, plans))
    for tally in tallies:
        yield from _figures(tally)
    yield _sum(tallies)


def carry_out(plan: Plan) -> Tally:
    """Carry out a plan, deliver what is then owed, and compare."""
    tally, ledger = Tally(plan), Ledger()
    with Mailbox() as mail, installed(plan.kind, MAIL_URL=mail.url) as made:
        with (
            Server(made.settings, log=made.folder / "serve.log") as server,
            at_work(server, mail, ledger, CLIENTS),
        ):
            _kill_again_and_again(made, server, ledger, tally)
        made.drain()
        with made.seen():
            tally.comparison = compare(ledger, mail.arrived)
        tally.faults = ledger.answers[500] + server.output.count("Traceback")
    tally.asked, tally.acked = len(ledger.asked), len(ledger.acked)
    return tally


def _kill_again_and_again(made: Installation, server: Server, ledger: Ledger, tally: Tally):
    moments = random.Random(SEED)
    plan = tally.plan
    few, many = plan.of_postgres
    for number in range(plan.kills):
        _wait_for(ledger.acked, (number + 1) * plan.registrations // plan.kills)
        is_long = number % LONG_LIFE == 1
        time.sleep(moments.uniform(1.5, 2.5) if is_long else moments.uniform(0, 0.2))
        if number % many < few:
            _kill_postgres(made, moments.choice([signal.SIGQUIT, signal.SIGKILL]), tally)
        else:
            _kill_service(made, server, tally)
    _wait_for(ledger.acked, plan.registrations)
    # Letters claimed at a kill wait for their lease to end; other people register meanwhile.
    _wait_for(ledger.confirmed, CONFIRMED)
    ledger.is_enough = True


def _wait_for(acknowledged: set[str], number: int) -> None:
    """Wait until so many are acknowledged."""
    deadline = time.monotonic() + PATIENCE
    seen = len(acknowledged)
    while len(acknowledged) < number:
        if len(acknowledged) > seen:
            seen, deadline = len(acknowledged), time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            raise TimeoutError("nothing was acknowledged for a minute")
        time.sleep(0.01)


def _kill_service(made: Installation, server: Server, tally: Tally) -> None:
    # Stopped first, so that what it holds at the moment of its death can be seen.
    server.process.send_signal(signal.SIGSTOP)
    tally.inside += _is_writing(made)
    server.kill()
    tally.kills["service"] += 1
    server.start()


def _kill_postgres(made: Installation, number: signal.Signals, tally: Tally) -> None:
    assert made.postmaster is not None
    tally.inside += _is_writing(made)
    made.postmaster.crash(number)
    tally.kills["PostgreSQL"] += 1
    made.postmaster.start()


def _is_writing(made: Installation) -> bool:
    """Whether somebody is inside a transaction that writes."""
    if made.kind == "sqlite":
        return _holds_write_lock(Path(made.settings["INSTANCE"], "registration.sqlite3-shm"))
    url = make_url(made.settings["DATABASE_URL"])
    with closing(psycopg.connect(host=url.query["host"], user="postgres")) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
        return bool(connection.execute(query).fetchone()[0])


def _holds_write_lock(path: Path) -> bool:
    with path.open("rb") as file:
        asked = struct.pack(FLOCK, fcntl.F_RDLCK, os.SEEK_SET, WRITE_LOCK, 1, 0)
        found = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return found[0] != fcntl.F_UNLCK


def _figures(tally: Tally) -> Iterator[Figure]:
    assert tally.comparison is not None
    killed = ", ".join(f"{what} {number:,}" for what, number in tally.kills.items() if number)
    total = sum(tally.kills.values())
    what = f"{tally.plan.kind}: kill -9 at random times ({killed}), and clients go on"
    unanswered = tally.asked - tally.acked
    found = f"{tally.acked:,} of {tally.asked:,} addresses acknowledged; {tally.comparison}"
    yield Figure(what, found, tally.comparison.is_sound)
    yield Figure(
        f"{tally.plan.kind}: kills inside a transaction that writes",
        f"{tally.inside:,} of {total:,}; {unanswered:,} addresses asked for and never "
        f"acknowledged, {tally.comparison.stored - tally.acked:,} of them stored",
        tally.inside >= ENOUGH * total,
    )
    yield Figure(
        f"{tally.plan.kind}: answers of 500, tracebacks", f"{tally.faults}", not tally.faults
    )


def _sum(tallies: list[Tally]) -> Figure:
    kills = sum(sum(tally.kills.values()) for tally in tallies)
    acked = sum(tally.acked for tally in tallies)
    lost = sum(tally.comparison.mistakes[LOST] for tally in tallies if tally.comparison)
    return Figure(
        "registrations acknowledged over kills / lost",
        f"{acked:,} over {kills:,} / {lost}",
        not lost,
    )
