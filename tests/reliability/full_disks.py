"""SQLite's disk is full, or fails: refused with all that was typed kept, and nothing is lost.

A small file system fills up while people register, until there is room again. Then strace lets
the server's writes and syncs fail, each one or some: ENOSPC and EIO.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .figures import Figure, Scale
from .installations import skipped
from .people import Answers
from .tracer import attached
from .trials import trial

# Of the small file system, and of the same once there is room again.
SMALL, LARGE = "2m", "64m"
# More forms than the small disk has room for.
MOST = 200
SYNC = "fsync,fdatasync"
# What strace lets fail: all calls of a thread, or one of its first and some after it.
ALWAYS = ["pwrite64:error=ENOSPC", "pwrite64:error=EIO", f"{SYNC}:error=EIO"]
AT_TIMES = [
    "pwrite64:error=ENOSPC:when=40+60",
    "pwrite64:error=EIO:when=40+60",
    f"{SYNC}:error=EIO:when=2+2",
]


def run(scale: Scale) -> Iterator[Figure]:
    """Fill a disk, then let it fail."""
    yield _filled(scale.of(100, 10))
    if not shutil.which("strace"):
        yield skipped("SQLite's writes and syncs fail", "strace is not installed")
        return
    yield _failing("each time", ALWAYS, scale.of(50, 5))
    yield _failing(
        "at times", AT_TIMES if scale is not Scale.BRIEF else AT_TIMES[-1:], scale.of(500, 40)
    )


def _filled(refusals: int) -> Figure:
    what = "SQLite's disk is full (a small file system)"
    with TemporaryDirectory(prefix="full-") as place:
        folder = Path(place)
        try:
            with _mounted(folder):
                return _fill(folder, what, refusals)
        except subprocess.CalledProcessError as error:
            return skipped(what, f"no file system can be mounted here ({error.stderr.strip()})")


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    how = {"check": True, "capture_output": True, "text": True}
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder], **how)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], **how)


def _fill(folder: Path, what: str, refusals: int) -> Figure:
    with trial("sqlite", folder) as tried:
        filled = tried.people.send(MOST + refusals, refusals)
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", folder], check=True)
        after = tried.people.send(5)
    holds = filled.holds and filled.statuses[503] == refusals and filled.statuses[303] > 0
    found = f"{filled}; with room again {after.statuses[303]} of 5 taken; {tried.compared}"
    return Figure(what, found, holds and after.all_taken and tried.is_sound)


def _failing(how_often: str, faults: list[str], count: int) -> Figure:
    broken, after = Answers(), Answers()
    with trial("sqlite") as tried:
        for fault in faults:
            to = [tried.server.process.pid]
            with attached(to, tried.log, "-f", "-e", f"inject={fault}"):
                broken += tried.people.send(count)
            after += tried.people.send(2)
    return Figure(
        f"SQLite's writes or syncs fail {how_often} ({', '.join(faults)})",
        f"{broken}; then {after}; {tried.compared}",
        broken.holds and broken.statuses[503] > 0 and after.all_taken and tried.is_sound,
    )
