"""A mail worker is stopped in the middle of a letter until its lease is over; another goes on.

SIGSTOP and SIGCONT; the six minutes in between pass by libfaketime. What both had in hand may
arrive twice, under one Message-ID.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registration.models import Letter, LetterState

from .. import builders
from ..server_process import TOP, environment
from .clients import Ledger, Mailbox
from .clocks import Clock, clock, eventually, letters, library
from .comparing import compare
from .figures import Figure, Scale
from .installations import Installation, installed, skipped
from .trials import on_both

LETTERS = 30
# The letter of the batch in which the first worker is stopped.
STOPPED_AT = 5
UNSENT = Letter.state != LetterState.SENT
LEASE_IS_OVER = 0.1  # hours


def run(scale: Scale) -> Iterator[Figure]:
    """Stop a worker until its lease is over."""
    if library() is None:
        yield skipped("a worker is stopped", "libfaketime is not installed (apt install faketime)")
        return
    yield from on_both(scale, _stopped)


def _stopped(kind: str) -> Iterator[Figure]:
    ledger = Ledger()
    with clock() as now, Mailbox() as mail, installed(kind, MAIL_URL=mail.url) as made:
        for number in range(LETTERS):
            _owe(made, ledger, f"person{number}@example.org")
        with _worker(made, now) as first:
            mail.before = lambda count: _stop_at(count, first)
            eventually(lambda: _is_stopped(first), "the worker was not stopped")
            now.set(LEASE_IS_OVER)
            with _worker(made, now):
                eventually(lambda: not letters(made, UNSENT), "the other worker does not go on")
            first.send_signal(signal.SIGCONT)
            # It takes up what comes after the batch in which it was stopped.
            _owe(made, ledger, "last@example.org")
            eventually(lambda: not letters(made, UNSENT), "the stopped worker does not go on")
        with made.seen():
            compared = compare(ledger, mail.arrived)
    yield Figure(
        f"{kind}: a mail worker stopped in letter {STOPPED_AT} of {LETTERS}, past its lease",
        str(compared),
        compared.is_sound and compared.resent == 1,
    )


def _owe(made: Installation, ledger: Ledger, address: str) -> None:
    ledger.asked[address] += 1
    with made.seen():
        builders.register(address=address)
    ledger.acked.add(address)


@contextmanager
def _worker(made: Installation, now: Clock) -> Iterator[subprocess.Popen[bytes]]:
    words = [*now.program, "outbox", "deliver", "--forever"]
    settings = environment(made.settings)
    with (made.folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(words, cwd=TOP, env=settings, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def _stop_at(count: int, worker: subprocess.Popen[bytes]) -> None:
    # It waits for the answer to its letter, and holds nothing of the database.
    if count == STOPPED_AT - 1:
        os.kill(worker.pid, signal.SIGSTOP)


def _is_stopped(worker: subprocess.Popen[bytes]) -> bool:
    state = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"
