"""Many at once want few seats: as many are seated as there are seats, and the rest wait in order.

They come over HTTP to the shipped server, all new addresses, from many clients at the same time;
once to two servers of one PostgreSQL.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count, cycle, islice

from sqlalchemy import select

from registration.database import reading
from registration.models import Registration, RegistrationStatus

from .. import builders
from ..server_process import Server
from .clients import FORM, TYPING, Form
from .figures import Figure, Scale
from .installations import Installation, has_postgres, installed, skipped

REQUESTS, SEATS = 10_000, 500
# A seat for so many who ask.
SHARE = REQUESTS // SEATS
CLIENTS = 24
# The kind of database, and how many servers work on it.
CASES = (("sqlite", 1), ("postgresql", 1), ("sqlite", 2), ("postgresql", 2))


@dataclass(slots=True)
class Crowd:
    """People who want a seat: each sends one form, over one of a few connections."""

    number: int
    forms: list[tuple[Server, Form]]
    answers: Counter[int] = field(default_factory=Counter)
    faults: list[Exception] = field(default_factory=list)

    def come(self) -> None:
        """Let everybody come, as many at once as there are clients."""
        numbers, lock = iter(range(self.number)), threading.Lock()
        threads = [
            threading.Thread(target=self._send, args=[place, numbers, lock])
            for place in islice(cycle(self.forms), CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(
        self, place: tuple[Server, Form], numbers: Iterator[int], lock: threading.Lock
    ) -> None:
        server, form = place
        try:
            with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
                while (number := _next(numbers, lock)) is not None:
                    self.answers[self._ask(connection, form, number)] += 1
        except Exception as error:  # noqa: BLE001  # told in the figure
            self.faults.append(error)

    def _ask(self, connection: HTTPConnection, form: Form, number: int) -> int:
        body = form.body(name="Aigerim", email=f"a{number}@example.org", affiliation="")
        for pause in count():
            connection.request("POST", FORM, body, form.headers)
            answer = connection.getresponse()
            answer.read()
            # A client sends the same again after a 503.
            if answer.status != 503:
                return answer.status
            time.sleep(min(0.05 * (pause + 1), 1))
        raise AssertionError


def _next(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(numbers, None)


def run(scale: Scale) -> Iterator[Figure]:
    """Sell the seats on each kind of database, by one server and by two."""
    number = scale.of(REQUESTS, 200)
    for kind, servers in CASES[:: 3 if scale is Scale.BRIEF else 1]:
        what = f"seats sold of {number // SHARE} under {number} requests, {kind}"
        what += f", {servers} processes" if servers > 1 else ""
        if kind == "postgresql" and not has_postgres():
            yield skipped(what, "PostgreSQL is not installed")
            continue
        yield _sell(what, kind, servers, number)


def _sell(what: str, kind: str, servers: int, number: int) -> Figure:
    seats = number // SHARE
    with ExitStack() as stack:
        made = stack.enter_context(installed(kind))
        columns = f'registration = "open"\naddress_confirmation = false\nseats = {seats}'
        with made.seen():
            builders.publish(builders.file(columns))
        running = [
            stack.enter_context(
                Server(made.settings, "--without-mail", log=made.folder / f"log{n}")
            )
            for n in range(servers)
        ]
        crowd = Crowd(number, [(server, Form(server)) for server in running])
        time.sleep(TYPING)
        started = time.monotonic()
        crowd.come()
        spent = time.monotonic() - started
        sold, is_right = _count(made, number, seats)
    told = f"{sold} sold in {spent:.0f} s, {number - sold} wait in order"
    told += f"; {len(crowd.faults)} clients failed" if crowd.faults else ""
    return Figure(what, told, is_right and crowd.answers == {303: number})


def _count(made: Installation, number: int, seats: int) -> tuple[int, bool]:
    """Return how many have a seat, and whether all is right: those who came first, and no other."""
    with made.seen(), reading() as tx:
        everybody = tx.scalars(select(Registration).order_by(Registration.id)).all()
    seated = [it for it in everybody if it.status is RegistrationStatus.CONFIRMED]
    waiting = [it for it in everybody if it.status is RegistrationStatus.WAITING]
    # PostgreSQL numbers rows as they are begun, and the lock on the discussion is before that.
    in_order = [it.queue_position for it in waiting] == list(range(1, number - seats + 1))
    is_right = len(seated) == seats and len(everybody) == number and in_order
    return len(seated), is_right and max(it.id for it in seated) < min(it.id for it in waiting)
