"""strace, attached to threads of a running server: to see their system calls, or to break them."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from registration.server.http_server import THREADS

from ..server_process import Server

# `flask serve` starts them in this order: waitress's (THREADS), then the mail worker.
HANDLERS = slice(1, 1 + THREADS)
WORKER = slice(1 + THREADS, 2 + THREADS)


def threads(server: Server) -> list[int]:
    """Return the ids of a server's threads, in the order they were started."""
    return sorted(int(path.name) for path in Path(f"/proc/{server.process.pid}/task").iterdir())


@contextmanager
def attached(to: Sequence[int], log: Path, *options: str) -> Iterator[None]:
    """Trace these threads while the block runs; `options` say what strace does to their calls.

    strace counts (`when=`) the calls of each thread and of each name apart.
    """
    command = ["strace", "-o", str(log), *options, *(f"--attach={thread}" for thread in to)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        for _ in to:
            said = strace.stderr.readline()
            assert "attached" in said, said
        try:
            yield
        finally:
            strace.terminate()
            strace.stderr.read()


def calls(log: Path) -> list[str]:
    """Return the system calls of the busiest thread in a log, as strace wrote them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in log.read_text().splitlines():
        if begun := re.match(r"(\d+ +)?(\w+\(.*)", line):
            found[begun[1]].append(begun[2])
    return max(found.values(), key=len)
