"""A prober asks whether an address is registered: neither an answer nor its time tells.

Known and unknown addresses by turns, over HTTP, to the form and to "send me my link".
"""

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection

from .. import builders
from ..server_process import Server
from .clients import FORM, TYPING, Form
from .figures import Figure, Scale
from .installations import installed

KNOWN, UNKNOWN = "known", "unknown"
FIND = "/registrations/find"
SEED = 20231207
# How often what one kind took is split in two, to see by how much halves differ by chance.
SPLITS = 400


@dataclass(slots=True)
class Answers:
    """The answers to addresses of one kind, and the seconds that each took."""

    seconds: list[float] = field(default_factory=list)
    said: set[tuple[object, ...]] = field(default_factory=set)


def run(scale: Scale) -> Iterator[Figure]:
    """Ask for as many known as unknown addresses, by each of the two forms."""
    number = 30 if scale is Scale.BRIEF else 300
    with installed("sqlite") as made:
        with made.seen():
            for person in range(number):
                builders.register_and_confirm(f"known{person}@example.org")
        with Server(made.settings, "--without-mail", log=made.folder / "log") as server:
            form = Form(server)
            time.sleep(TYPING)
            for path in (FORM, FIND):
                yield from _figures(path, _asked(server, form, path, number), number)


def _asked(server: Server, form: Form, path: str, number: int) -> dict[str, Answers]:
    """Send each address in a random order, and return what was answered by kind."""
    asked = [(kind, f"{kind}{n}@example.org") for kind in (KNOWN, UNKNOWN) for n in range(number)]
    random.Random(SEED).shuffle(asked)
    found = {KNOWN: Answers(), UNKNOWN: Answers()}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        for kind, address in asked:
            body = form.body(name="Aigerim", email=address, affiliation="")
            started = time.perf_counter()
            connection.request("POST", path, body, form.headers)
            answer = connection.getresponse()
            content = answer.read()
            found[kind].seconds.append(time.perf_counter() - started)
            headers = tuple(
                sorted((name, _plain(name, value)) for name, value in answer.getheaders())
            )
            found[kind].said.add((answer.status, headers, len(content)))
    return found


def _plain(name: str, value: str) -> str:
    """Return a header's value; of what differs each time only that it is there, and its length."""
    return "" if name == "Date" else str(len(value)) if name == "Set-Cookie" else value


def _figures(path: str, found: dict[str, Answers], number: int) -> Iterator[Figure]:
    known, unknown = found[KNOWN], found[UNKNOWN]
    what = f"{number} known against {number} unknown addresses, {path}"
    is_same = known.said == unknown.said and len(known.said) == 1
    said = "status, headers and body length equal" if is_same else "the answers differ"
    yield Figure(what, said, is_same)
    difference = abs(statistics.median(known.seconds) - statistics.median(unknown.seconds))
    noise = max(_noise(known.seconds), _noise(unknown.seconds))
    told = f"medians differ by {difference * 1000:.2f} ms, of {_ms(known)} and {_ms(unknown)}; "
    told += f"halves of one kind by up to {noise * 1000:.2f} ms in 95 of 100 splits"
    yield Figure(f"{what}: time", told, difference <= noise)


def _ms(answers: Answers) -> str:
    return f"{statistics.median(answers.seconds) * 1000:.1f} ms"


def _noise(seconds: list[float]) -> float:
    """Return by how much the medians of two random halves differ, at most, 95 times in 100."""
    chance, differences = random.Random(SEED), []
    for _split in range(SPLITS):
        mixed = chance.sample(seconds, len(seconds))
        half = len(mixed) // 2
        differences.append(abs(statistics.median(mixed[:half]) - statistics.median(mixed[half:])))
    return sorted(differences)[int(SPLITS * 0.95)]
