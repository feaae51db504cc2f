"""kill -9 at every system call of one registration, and of the delivering of one letter, in turn.

strace kills the server when the thread that answers the form, or the mail worker, enters its
n-th call; then the server is started again, what is owed is delivered, and all is compared.
"""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context

from sqlalchemy import select

from registration.database import reading
from registration.models import Letter, LetterState

from .. import builders
from ..server_process import FLASK, Server
from . import sabotaged
from .clients import FORM, Form, Ledger, Mailbox, opened
from .comparing import NO_LETTER, Comparison, compare
from .figures import Figure, Scale
from .installations import Installation, has_postgres, installed, skipped
from .tracer import HANDLERS, WORKER, attached, calls, threads

# Where a transaction becomes durable: what SQLite asks of the disk, and what PostgreSQL is told.
COMMIT = {"sqlite": "sync(", "postgresql": "COMMIT"}
# Calls that change nothing outside the process: a kill at one is a kill at the next other one.
OUTSIDE = "!%memory,read,lseek,newfstatat,ioctl,getrandom,gettid,rt_sigprocmask,futex"
FEW = 3
OF = ("registration", "letter")
# In seconds: how long the server may take for what is to kill it.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """The calls to kill at, on a kind of database: every `step`-th, or `few` around commits."""

    kind: str
    of: str
    step: int = 1
    few: int = 0
    program: tuple[str, ...] = FLASK


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of a sweep: the number of calls, and of kills that hit one of them."""

    sweep: Sweep
    calls: int
    kills: int
    comparison: Comparison


def run(scale: Scale) -> Iterator[Figure]:
    """Sweep registrations and letters on both databases, and find a fault put there on purpose."""
    if not shutil.which("strace"):
        yield skipped("kill -9 at a system call", "strace is not installed")
        return
    if not has_postgres():
        yield skipped("kill -9 at a system call, on PostgreSQL", "it is not installed")
    fault = sabotaged.program("second_transaction")
    sweeps = [*_sweeps(scale), Sweep("sqlite", "registration", few=FEW, program=fault)]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        *all_swept, sabotage = pool.map(carry_out, sweeps)
    for swept in all_swept:
        yield _figure(swept)
    missing = sabotage.comparison.mistakes[NO_LETTER]
    yield Figure(
        "kills find a letter posted in a second transaction",
        f"{missing} registrations without a letter after {sabotage.kills} kills",
        missing > 0,
    )


def _sweeps(scale: Scale) -> list[Sweep]:
    sweeps = [Sweep("postgresql", "letter", few=FEW), Sweep("sqlite", "registration", few=FEW)]
    if scale is not Scale.BRIEF:
        step = 1 if scale is Scale.FULL else 10
        sweeps = [Sweep(kind, of, step) for of in OF for kind in ("postgresql", "sqlite")]
    return [sweep for sweep in sweeps if sweep.kind == "sqlite" or has_postgres()]


def _figure(swept: Swept) -> Figure:
    sweep = swept.sweep
    return Figure(
        f"{sweep.kind}: kill -9 at a system call of one {sweep.of}",
        f"killed at {swept.kills} of {swept.calls} calls; {swept.comparison}",
        swept.comparison.is_sound and swept.kills > 0,
    )


class Bench:
    """A server to be killed, its ledger of requests, and its mailbox."""

    def __init__(self, made: Installation, mail: Mailbox, sweep: Sweep) -> None:
        self.made, self.mail, self.sweep = made, mail, sweep
        self.ledger = Ledger()
        options = () if sweep.of == "letter" else ("--without-mail",)
        self.server = Server(
            made.settings, *options, log=made.folder / "serve.log", program=sweep.program
        )
        self.log = made.folder / "strace.log"
        self.form: Form | None = None

    def once(self, *options: str) -> bool:
        """Do once what is swept, under strace; return whether the server was killed by it."""
        address = f"person{len(self.ledger.asked)}@example.org"
        self.ledger.asked[address] += 1
        if self.sweep.of == "letter":
            self._deliver(address, *options)
        else:
            self._register(address, *options)
        self.server.kill()
        self.made.drain()
        return "killed by SIGKILL" in self.log.read_text()

    def _register(self, address: str, *options: str) -> None:
        self.server.start()
        if self.form is None:
            self.form = opened(self.server)
        body = self.form.body(name="Aigerim", email=address, affiliation="")
        with (
            closing(HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)) as client,
            attached(threads(self.server)[HANDLERS], self.log, *options),
            suppress(OSError, HTTPException),
        ):
            client.request("POST", FORM, body, self.form.headers)
            if client.getresponse().status == 303:
                self.ledger.acked.add(address)

    def _deliver(self, address: str, *options: str) -> None:
        with self.made.seen():
            builders.register(address=address)
        self.ledger.acked.add(address)
        self.server.start()
        # The worker looks first after a second: it is caught before that, and let go on.
        self.server.process.send_signal(signal.SIGSTOP)
        assert not self._is_sent(address), "the worker was sooner than strace"
        with attached(threads(self.server)[WORKER], self.log, *options):
            self.server.process.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + PATIENCE
            while self.server.process.poll() is None and not self._is_sent(address):
                assert time.monotonic() < deadline, "the letter was not sent"
                time.sleep(0.05)

    def _is_sent(self, address: str) -> bool:
        with self.made.seen(), reading() as tx:
            number = builders.registration_of(address).id
            states = select(Letter.state).where(Letter.registration_id == number)
            return tx.scalars(states).all() == [LetterState.SENT]


def carry_out(sweep: Sweep) -> Swept:
    """Do it once undisturbed, to see its calls, and then once for each kill; compare."""
    with Mailbox() as mail, installed(sweep.kind, MAIL_URL=mail.url) as made:
        bench = Bench(made, mail, sweep)
        bench.once("-e", f"trace={OUTSIDE}")
        seen = calls(bench.log)
        kills = sum(bench.once("-e", f"inject={call}") for call in _chosen(sweep, seen))
        with made.seen():
            return Swept(sweep, len(seen), kills, compare(bench.ledger, mail.arrived))


def _chosen(sweep: Sweep, seen: list[str]) -> Iterator[str]:
    """Yield which calls to kill at, as strace is told: by name, and how many of it came before."""
    numbers: Sequence[int] = range(0, len(seen), sweep.step)
    if sweep.few:
        commits = [number for number, call in enumerate(seen) if COMMIT[sweep.kind] in call]
        first, last = commits[0], commits[-1] + 1
        numbers = [first + (last - first) * n // (sweep.few - 1) for n in range(sweep.few)]
    names = [call.partition("(")[0] for call in seen]
    for number in numbers:
        count = names[: number + 1].count(names[number])
        yield f"{names[number]}:signal=KILL:when={count}"
