"""The power fails while people register: every acknowledged registration survives.

The system calls of the shipped server are recorded once. Then the power is cut at thousands of
moments of that recording, each time with another part of the unsynced data lost; SQLite recovers
the files, and the service reads them.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import select

from registration.database import engine, reading, scrub
from registration.models import Letter, Registration

from .. import builders
from ..server_process import FLASK
from . import sabotaged
from .disks import SYNCS, Disk
from .figures import Figure, Scale
from .installations import Installation, installed
from .recordings import DATABASE, NAMES, Promises, Recording, record
from .traces import Moment

Tally = Counter[str]

SEED = 20231207
# Registrations in one recording: so many that SQLite checkpoints by itself meanwhile.
REGISTRATIONS = 200
LOST, CORRUPT = "acknowledged and lost", "corrupt"
# Registrations over all cuts; but of what is corrupt, the cuts are counted.
MISTAKES = (
    LOST,
    "without a letter",
    "erased and back",
    "erased and left in the files",
    "stored, never asked for",
    CORRUPT,
)
# The least share of cuts that must fall where the disk holds what is not synced.
ENOUGH = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """One recording and its cuts, with `replacement` (of `sabotaged`) in server and reader."""

    name: str
    seed: int
    cuts: int
    replacement: str = ""
    registrations: int = REGISTRATIONS


def run(scale: Scale) -> Iterator[Figure]:
    """Cut the power of SQLite as it is opened here, as an older one is, and of a deceived one."""
    if not shutil.which("strace"):
        yield Figure("power cuts", "strace is not installed (apt install strace)", holds=False)
        return
    recordings = scale.of(4, 1)
    wal, older, off = scale.of(4000, 48), scale.of(1000, 12), scale.of(100, 12)
    plans = [Plan("WAL + FULL", SEED + number, wal // recordings) for number in range(recordings)]
    plans.append(Plan("TRUNCATE + FULL, an older SQLite", SEED, older, "older_sqlite", 80))
    plans.append(Plan("synchronous=OFF", SEED, off, "synchronous_off", 24))
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        *here, old, deceived = pool.map(carry_out, plans)
    found = sum(here, Counter())
    yield _figure(plans[0], found)
    yield Figure(
        "WAL + FULL: checkpoints in what was recorded",
        f"{found['checkpoints']}, {found['scrubs']} of them after an erasure",
        found["checkpoints"] > found["scrubs"] > 0,
    )
    yield _figure(plans[-2], old)
    yield _sum(found + old)
    yield Figure(
        "power cuts find synchronous=OFF",
        f"{deceived[LOST]:,} acknowledged and lost, {deceived[CORRUPT]} corrupt after "
        f"{deceived['cuts']} cuts",
        deceived[LOST] > 0,
    )


def _figure(plan: Plan, tally: Tally) -> Figure:
    """Return the figure of all plans of one name."""
    told = ", ".join(f"{tally[what]:,} {what}" for what in MISTAKES)
    return Figure(
        f"{plan.name}: {tally['cuts']:,} power cuts, {tally['amid']:,} amid unsynced writes",
        f"{tally['acknowledged']:,} registrations recorded; {told}",
        not any(tally[what] for what in MISTAKES) and tally["amid"] >= ENOUGH * tally["cuts"],
    )


def _sum(tally: Tally) -> Figure:
    return Figure(
        "simulated power cuts / acknowledged lost / corrupt",
        f"{tally['cuts']:,} / {tally[LOST]} / {tally[CORRUPT]}",
        not tally[LOST] and not tally[CORRUPT],
    )


def carry_out(plan: Plan) -> Tally:
    """Record, and cut the power at seeded random moments of the recording."""
    program = FLASK
    if plan.replacement:
        sabotaged.REPLACEMENTS[plan.replacement]()
        program = sabotaged.program(plan.replacement)
    with installed("sqlite") as made:
        recording = record(made, plan.registrations, program)
        return _replay(plan, made, recording)


def _replay(plan: Plan, made: Installation, recording: Recording) -> Tally:
    chance = random.Random(plan.seed)
    disk = Disk(recording.folder, NAMES, recording.contents)
    moments = Counter(_moments(recording, chance, plan.cuts))
    tally = Counter(cuts=plan.cuts)
    promises = Promises()
    for number, (moment, promises) in enumerate(recording.steps()):
        tally.update(_kind_of(moment) if promises.asked else [])
        disk.see(moment)
        for _ in range(moments[number]):
            tally["amid"] += not disk.is_settled
            _put(Path(recording.folder), disk.after_cut(chance))
            tally += _compare(made, promises, recording)
    tally["acknowledged"] = len(promises.kept | promises.erased)
    return tally


def _moments(recording: Recording, chance: random.Random, cuts: int) -> Iterator[int]:
    """Yield when the power fails: every fourth time just as an answer leaves."""
    steps = [moment.call for moment, _promises in recording.steps()]
    answers = [number for number, call in enumerate(steps) if call.name == "sendto"]
    for number in range(cuts):
        yield chance.choice(range(len(steps)) if number % 4 else answers)


def _kind_of(moment: Moment) -> list[str]:
    """Return what a moment is counted as: with WAL, only a checkpoint syncs the database."""
    call = moment.call
    if moment.has_ended and call.name in SYNCS and call.file.endswith(DATABASE):
        return ["checkpoints"]
    if moment.has_ended and call.name == "ftruncate" and call.file.endswith("-wal"):
        return ["scrubs"]
    return []


def _put(folder: Path, files: dict[str, bytes]) -> None:
    """Let the database be `files` and nothing else."""
    for name in (*NAMES, f"{DATABASE}-shm"):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _compare(made: Installation, promises: Promises, recording: Recording) -> Tally:
    """Let SQLite recover and the service read, and go on; return the broken promises."""
    with made.seen():
        try:
            letters = _read()
            builders.register(address="afterwards@example.org")
            _check()
            scrub()  # as the worker does first
            left = _left(Path(recording.folder))
        except Exception:  # noqa: BLE001  # whatever it is, the database cannot be used
            return Counter([CORRUPT])
    stored = letters.keys()
    marks = [mark for address in promises.erased for mark in recording.marks[address]]
    found = (
        len(promises.kept - stored),
        sum(not number for number in letters.values()),
        len(promises.erased & stored),
        sum(mark in left for mark in marks),
        len(stored - promises.asked),
        0,
    )
    return Counter(dict(zip(MISTAKES, found, strict=True)))


def _read() -> dict[str, int]:
    """Return each registered address, with the number of letters that it is or was owed."""
    with reading() as tx:
        ring = tx.keys
        rows = tx.scalars(select(Registration)).all()
        owners = tx.scalars(select(Letter.registration_id)).all()
    return {row.attendee(ring).address: owners.count(row.id) for row in rows}


def _left(folder: Path) -> bytes:
    return b"".join((folder / name).read_bytes() for name in NAMES if (folder / name).exists())


def _check() -> None:
    with engine().connect() as connection:
        for check, sound in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            found = connection.exec_driver_sql(f"PRAGMA {check}").all()
            assert found == sound, f"{check}: {found}"
