"""Histories drawn at random (people, organizers, time, crashes, backups): the model is never wrong.

The state machine is that of tests/fuzzing, where a few histories are tried in every check.
"""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from registration import create_app

from ..conftest import install
from ..fuzzing.state_machine import Registrations
from ..postgresql import POSTGRES, cluster, create_database
from .figures import Figure, Scale
from .installations import has_postgres, skipped

# On each kind of database: how many in all, and at least.
HISTORIES = {"sqlite": (1000, 10), "postgresql": (200, 0)}
STEPS = 25
# So many are drawn from one seed.
BATCH = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """Histories on one kind of database, by seed, and their results."""

    kind: str
    seed: int
    steps: int = 0
    broken: str = ""


def run(scale: Scale) -> Iterator[Figure]:
    """Try histories on both kinds of database, in two processes."""
    for kind, (full, least) in HISTORIES.items():
        what = f"histories against a model, {kind}"
        if kind == "postgresql" and not has_postgres():
            yield skipped(what, "PostgreSQL is not installed")
            continue
        batches = [Batch(kind, number) for number in range(ceil(scale.of(full, least) / BATCH))]
        if not batches:
            continue
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            done = list(pool.map(carry_out, batches))
        broken = [batch for batch in done if batch.broken]
        for batch in broken:
            sys.stderr.write(f"{kind}, seed {batch.seed}: {batch.broken}\n")
        steps = sum(batch.steps for batch in done)
        told = f"{len(done) * BATCH} with {steps} steps; {len(broken)} of {len(done)} seeds broken"
        yield Figure(what, told, not broken and steps > 0)


def carry_out(batch: Batch) -> Batch:
    """Try the histories of one seed."""
    logging.disable(logging.WARNING)
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory(prefix="histories-")))
        machine = _on_sqlite(place) if batch.kind == "sqlite" else _on_postgres(place, stack)
        kept = settings(
            max_examples=BATCH,
            stateful_step_count=STEPS,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        )
        broken = ""
        try:
            run_state_machine_as_test(seed(batch.seed)(machine), settings=kept)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told
            broken = f"{error!r:.2000}"
        return Batch(batch.kind, batch.seed, machine.steps, broken)


def _machine(
    installed: Callable[[Path], dict[str, Any]],
    emptied: Callable[[dict[str, Any]], dict[str, Any]],
) -> type[Registrations]:
    made = {"installed": staticmethod(installed), "emptied": staticmethod(emptied), "steps": 0}
    return type("Machine", (Registrations,), made)


def _template(place: Path, **found: str) -> Path:
    template = place / "template"
    template.mkdir(mode=0o700)
    install(create_app({"INSTANCE": str(template), **found}))
    return template


def _on_sqlite(place: Path) -> type[Registrations]:
    template = _template(place)

    def installed(folder: Path) -> dict[str, Any]:
        shutil.copytree(template, folder / "instance")
        return {"INSTANCE": str(folder / "instance")}

    def emptied(found: dict[str, Any]) -> dict[str, Any]:
        for path in Path(found["INSTANCE"]).glob("registration.sqlite3*"):
            path.unlink()
        return found

    return _machine(installed, emptied)


def _on_postgres(place: Path, stack: ExitStack) -> type[Registrations]:
    binaries = sorted(POSTGRES.glob("*/bin/initdb"))[-1].parent
    # PostgreSQL runs as a user of its own.
    place.chmod(0o777)
    url = stack.enter_context(cluster(binaries, place))
    migrated = create_database(url, "migrated")
    template = _template(place, DATABASE_URL=migrated)

    def installed(folder: Path) -> dict[str, Any]:
        shutil.copytree(template, folder / "instance")
        database = create_database(url, uuid4().hex, "migrated")
        return {"INSTANCE": str(folder / "instance"), "DATABASE_URL": database}

    def emptied(found: dict[str, Any]) -> dict[str, Any]:
        return found | {"DATABASE_URL": create_database(url, uuid4().hex)}

    return _machine(installed, emptied)
