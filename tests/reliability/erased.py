"""Searches every file of an installation for traces of erased people.

People register over HTTP, get letters that are kept in a folder, and are exported to a file. Some
erase themselves, the others are purged. On PostgreSQL the files are its own: there a dump is read.
"""

import base64
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from registration.database import reading
from registration.models import Letter, Registration

from ..journeys.test_raw_files import disguises, raw
from ..server_process import Server, flask
from .clients import FORM, TYPING, Form, seen_on
from .figures import Figure, Scale
from .installations import SLUG, Installation, has_postgres, installed, skipped

PEOPLE = 200
# Bytes in which nothing repeats by chance: of a sealed value, any so many count.
PIECE = 16
# Nothing shorter is looked for (disguises).
SHORTEST = 8
# Seconds for the letters of everybody.
PATIENCE = 60.0


@dataclass(slots=True)
class Traces:
    """Bytes in the files that stood for people before their erasure, and their own names."""

    seals: set[bytes] = field(default_factory=set)
    indexes: set[bytes] = field(default_factory=set)
    letters: set[bytes] = field(default_factory=set)
    canaries: set[str] = field(default_factory=set)


def run(scale: Scale) -> Iterator[Figure]:
    """Register, erase, and look into every file, on both kinds of database."""
    for kind in ("sqlite", "postgresql")[: 1 if scale is Scale.BRIEF else 2]:
        if kind == "postgresql" and not has_postgres():
            yield skipped("after erasure, postgresql", "PostgreSQL is not installed")
        else:
            with installed(kind) as made:
                yield from _figures(made, scale.of(PEOPLE, 6))


def _figures(made: Installation, number: int) -> Iterator[Figure]:
    log, backup = made.folder / "log", made.folder / "backup"
    with ExitStack() as stack:
        server = stack.enter_context(Server(made.settings, log=log))
        form = Form(server)
        _register(made, server, form, number)
        traces = _traces(made)
        export = made.folder / "exports" / "attendees.csv"
        export.parent.mkdir()
        _flask(made, "registrations", "export", SLUG, "--output", str(export))
        _flask(made, "database", "backup", str(backup))
        before = _files(made, log, export)
        _erase(made, server, form, number)
        after = _files(made, log, export)
    yield from _compared(f"after erasing {number}, {made.kind}", traces, before, after)
    yield _without_key(made, traces, backup, after["log"])


def _files(made: Installation, log: Path, export: Path) -> dict[str, bytes]:
    """Return the bytes of every file by name; an empty export may be gone."""
    exported = {path.name: path.read_bytes() for path in export.parent.iterdir()}
    return dict(raw(made.settings, log)) | exported


def _flask(made: Installation, *words: str) -> None:
    done = flask(made.settings, *words)
    assert done.returncode == 0, done.stderr.decode()


def _register(made: Installation, server: Server, form: Form, number: int) -> None:
    """Register people with unique names and addresses; they confirm and get two letters."""
    time.sleep(TYPING)
    for person in range(number):
        typed = {
            "name": f"Қанарейка {person:04} Kanarienvogel",
            "affiliation": f"Canarian {person:04}",
        }
        body = form.body(**typed, email=f"canary{person:04}@canary-{person:04}.example.org")
        assert server.ask("POST", FORM, body, **form.headers).status == 303
    _wait_for_letters(made, number)
    for token in _tokens(made):
        _press(server, form, token, "confirm")
    _wait_for_letters(made, number * 2)


def _press(server: Server, form: Form, token: str, act: str) -> None:
    """Open an own page, and press one of its buttons."""
    own = f"/registrations/{token}"
    body = form.body(seen=seen_on(server.get(own).text))
    assert server.ask("POST", f"{own}/{act}", body, **form.headers).status == 303


def _tokens(made: Installation) -> list[str]:
    with made.seen(), reading() as tx:
        ring = tx.keys
        return [row.attendee(ring).token for row in tx.scalars(select(Registration))]


def _wait_for_letters(made: Installation, number: int) -> None:
    kept = Path(made.settings["INSTANCE"]) / "letters" / "new"
    deadline = time.monotonic() + PATIENCE
    while len(list(kept.glob("*"))) < number:
        assert time.monotonic() < deadline, "the letters never came"
        time.sleep(0.2)
    # The last one is marked after it is kept.
    time.sleep(1)


def _traces(made: Installation) -> Traces:
    found = Traces()
    with made.seen(), reading() as tx:
        ring = tx.keys
        for row in tx.scalars(select(Registration)):
            person = row.attendee(ring)
            found.seals |= _pieces(row.sealed)
            hashes = (row.address_index, row.token_hash, row.calendar_token_hash)
            found.indexes |= {piece for value in hashes for piece in _pieces(value, start=0)}
            found.canaries |= {person.name, person.address, person.affiliation}
            found.canaries |= {person.token, person.calendar_token}
        found.letters = set(map(str.encode, tx.scalars(select(Letter.public_id))))
    return found


def _pieces(value: bytes, start: int = PIECE) -> set[bytes]:
    """Return the value's pieces, and each as it might stand in a dump: in hex, or in base64.

    The first piece of a sealed value is little more than its time.
    """
    plain = {value[at : at + PIECE] for at in range(start, len(value) - PIECE + 1, PIECE)}
    coded = {base64.b64encode(b"\0" * shift + it)[4:20] for it in plain for shift in (0, 1, 2)}
    return plain | {it.hex().encode() for it in plain} | coded


def _erase(made: Installation, server: Server, form: Form, number: int) -> None:
    """Let every second one erase themselves; purge the others."""
    for token in _tokens(made)[::2]:
        _press(server, form, token, "erase")
    _flask(made, "registrations", "purge", "--now", SLUG)
    assert _tokens(made) == []


def _compared(
    what: str, traces: Traces, before: dict[str, bytes], after: dict[str, bytes]
) -> Iterator[Figure]:
    """Count traces in the files before (to see that they can be found) and after the erasure."""
    looked = {
        "pieces of sealed values": traces.seals,
        "of index values": traces.indexes,
        "letters' names": traces.letters,
        "names, addresses and tokens": {it for each in traces.canaries for it in disguises(each)},
    }
    for name, wanted in looked.items():
        stood, left = _count(wanted, before), _count(wanted, after)
        told = f"{len(stood)} before, {len(left)} left"
        where = sorted({place for places in left.values() for place in places})
        yield Figure(f"{what}: {name}", f"{told} {where or ''}".strip(), bool(stood) and not left)


def _count(wanted: set[bytes], files: dict[str, bytes]) -> dict[bytes, list[str]]:
    """Return which of `wanted` stand in the files, and where."""
    found: dict[bytes, list[str]] = {}
    begun: dict[bytes, list[bytes]] = {}
    for it in wanted:
        begun.setdefault(it[:SHORTEST], []).append(it)
    for name, content in files.items():
        for at in range(len(content)):
            for it in begun.get(content[at : at + SHORTEST], ()):
                if content.startswith(it, at):
                    found.setdefault(it, []).append(name)
    return found


def _without_key(made: Installation, traces: Traces, backup: Path, log: bytes) -> Figure:
    """Look for people in a backup made before they were erased, and in the log."""
    canaries = {it for each in traces.canaries for it in disguises(each)}
    in_log, in_backup = _count(canaries, {"log": log}), _count(canaries, {"": backup.read_bytes()})
    told = f"{len(in_log)} in logs, {len(in_backup)} in a backup without its key"
    what = f"names, addresses and tokens of {len(traces.canaries) // 5}, {made.kind}"
    return Figure(what, told, not in_log and not in_backup)
