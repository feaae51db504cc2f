"""Inputs meant to do harm: no answer of 500, nothing injected, what is accepted is read back equal.

One input is one request, one file or one mail server's answer. The properties are those of
tests/fuzzing, where a few inputs of each kind are tried in every check.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, seed, settings

from ..fuzzing.properties import PROPERTIES, Property
from ..fuzzing.readers import Injection, ServerFault
from ..fuzzing.service import Service, running
from .figures import Figure, Scale

INPUTS = 50_000
# So many are drawn from one seed, on one service.
BATCH = 300
SEED = 20231207
# Of what broke, so many are told.
MOST_TOLD = 5
FAULTS, INJECTIONS = "answers of 500", "injections"
UNEQUAL = "accepted and not read back equal"


@dataclass(slots=True)
class Tally:
    """How many inputs were tried, were accepted and broke a property, by property."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Tally") -> "Tally":
        self.counts += other.counts
        self.broken += other.broken
        return self


def run(scale: Scale) -> Iterator[Figure]:
    """Try inputs of every kind, in two processes."""
    wanted = scale.of(INPUTS, BATCH)
    total = Tally()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for tally in pool.map(carry_out, range(ceil(wanted / BATCH))):
            total += tally
    for line in total.broken[:MOST_TOLD]:
        sys.stderr.write(f"{line}\n")
    counts = total.counts
    kinds = ", ".join(f"{counts[kind.name]} {kind.name}" for kind in PROPERTIES)
    tried, accepted = counts["tried"], counts["accepted"]
    is_enough = tried >= wanted and accepted > tried / 5
    yield Figure("hostile inputs", f"{tried}: {kinds}; {accepted} were accepted", is_enough)
    for what in (FAULTS, INJECTIONS, UNEQUAL):
        yield Figure(f"hostile inputs: {what}", str(counts[what]), counts[what] == 0)


def carry_out(batch: int) -> Tally:
    """Try `BATCH` inputs, of each kind its share, on a service of their own."""
    logging.disable(logging.WARNING)
    total = Tally()
    with TemporaryDirectory(prefix="hostile-") as folder, running(Path(folder)) as service:
        assert service.known
        assert service.known_in_letters
        for kind in PROPERTIES:
            total += _tried(service, kind, SEED + batch)
    return total


def _tried(service: Service, kind: Property, number: int) -> Tally:
    tally = Tally()

    @seed(number)
    @settings(
        max_examples=ceil(BATCH * kind.share),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def one(drawn: object) -> None:
        tally.counts.update(["tried", kind.name])
        try:
            tally.counts["accepted"] += kind.check(service, drawn)
        except Exception as error:  # noqa: BLE001  # a reader that gives up has not read it equal
            tally.counts[_what(error)] += 1
            tally.broken.append(f"{kind.name}, seed {number}: {error!r:.500} by {drawn!r:.500}")

    one()
    return tally


def _what(error: Exception) -> str:
    if isinstance(error, ServerFault):
        return FAULTS
    return INJECTIONS if isinstance(error, Injection) else UNEQUAL
