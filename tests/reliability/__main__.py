"""Runs every part, prints its figures as a Markdown table, and ends with 1 if one does not hold.

`python -m tests.reliability [part ...]`, with BRIEF=1 or FULL=1 in the environment.
"""

import importlib
import os
import sys
import time

from .figures import Figure, Scale

# In this order, and each a module of this folder with `run(scale) -> Iterable[Figure]`.
PARTS = (
    "kills",
    "system_calls",
    "full_disks",
    "locks",
    "clocks",
    "stopped",
    "power_cuts",
    "faulty_mail",
    "hostile_inputs",
    "histories",
    "seats",
    "storms",
    "queued",
    "erased",
    "roles",
    "timing",
    "slow_clients",
)

# Of these, `make test` does as much as BRIEF would.
BY_PYTEST = {"hostile_inputs", "histories"}


def scale_of(environment: os._Environ[str]) -> Scale:
    """Return what BRIEF and FULL ask for."""
    if environment.get("FULL") == "1":
        return Scale.FULL
    return Scale.BRIEF if environment.get("BRIEF") == "1" else Scale.TENTH


def main(parts: list[str]) -> int:
    """Run `parts`, or all, and return the exit status."""
    scale = scale_of(os.environ)
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.exit(f"There is no part {min(unknown)}; there are {', '.join(PARTS)}.")
    figures: list[Figure] = []
    chosen = parts or [name for name in PARTS if scale is not Scale.BRIEF or name not in BY_PYTEST]
    print("| what was tried | what was found | |\n|---|---|---|", flush=True)
    for name in chosen:
        started = time.monotonic()
        for figure in importlib.import_module(f"{__package__}.{name}").run(scale):
            figures.append(figure)
            verdict = "holds" if figure.holds else "**DOES NOT HOLD**"
            print(f"| {figure.what} | {figure.found} | {verdict} |", flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    broken = sum(not figure.holds for figure in figures)
    print(f"\n{len(figures)} figures, {broken} of them broken.")
    return 1 if broken or not figures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
