"""`make dev`: run a command, and start it anew whenever a file of the service changes.

It restarts `flask serve` itself, so that pages, mail and the local mailbox are those of
`make run`. Flask's own reloader would not do: pages are kept as bytes until the process ends.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WATCHED = ("registration", "templates", "wsgi.py")
LOOK_SECONDS = 0.3
# `flask serve` gives requests 20 seconds to finish.
END_SECONDS = 25


def main(command: list[str]) -> None:
    """Keep `command` running until SIGTERM or Ctrl+C; it runs in the current folder."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while True:
            before = _written()
            with _running(command):
                while _written() == before:
                    time.sleep(LOOK_SECONDS)
            print("Changed: starting anew", flush=True)
    except KeyboardInterrupt:
        sys.exit()


def _written() -> dict[Path, int]:
    """Return the moment at which each file was last written, in nanoseconds."""
    found = {}
    for file in _files():
        try:
            found[file] = file.stat().st_mtime_ns
        except FileNotFoundError:  # an editor puts another file in its place
            continue
    return found


def _files() -> Iterator[Path]:
    for place in map(Path, WATCHED):
        found = [place] if place.is_file() else place.rglob("*.*")
        yield from (file for file in found if file.suffix != ".pyc")


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    """Run `command`. If it ends by itself, such as for a mistake in the code, wait all the same."""
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
