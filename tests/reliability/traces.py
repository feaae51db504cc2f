"""The writes of a process to files and clients: its system calls, as strace saw them."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Some of these no SQLite here makes: they are asked for to see that it does not.
TRACED = (
    "openat,unlink,unlinkat,rename,renameat,renameat2,link,fallocate,"
    "pwrite64,write,pwritev,pwritev2,writev,ftruncate,fsync,fdatasync,sync_file_range,"
    "recvfrom,sendto"
)
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_HEX = r"(?:\\x[0-9a-f]{2})*"
_FILE = re.compile(rf'(?:\d+<({_HEX})>|"({_HEX})"|AT_FDCWD<{_HEX}>, "({_HEX})")')
_PEER = re.compile(r"\d+<TCP:\[[\d.]+:\d+->[\d.]+:(\d+)\]>")
_DATA = re.compile(rf'^[^"]*"({_HEX})"')
_NUMBER = re.compile(r", (\d+)$")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One system call that succeeded: its arguments, and the lines of its two moments.

    `file` is a path, `port` the client's end of a connection: one of them is there. `data` is
    what was written, sent or received; `number` the last argument: an offset, or a length.
    """

    name: str
    begun: int
    ended: int
    file: str
    port: int
    data: bytes
    number: int
    makes: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A call begins, or it has ended. It takes effect somewhere between the two."""

    call: Call
    has_ended: bool


def program(log: Path) -> tuple[str, ...]:
    """Return what to put before a command so that strace writes `log`.

    The command stays our own child (-D), so that killing it kills no tracer in its place.
    """
    how = ("-D", "-f", "-yy", "-xx", "-s", "1000000", "--seccomp-bpf")
    return ("strace", *how, "-e", f"trace={TRACED}", "-o", str(log))


def finished(log: Path, pid: int) -> list[Moment]:
    """Wait until strace has seen the end of process `pid`; return the moments in their order."""
    deadline = time.monotonic() + 30
    while not re.search(rf"^{pid} +\+\+\+ ", _tail(log), re.MULTILINE):
        assert time.monotonic() < deadline, "strace has not seen the process end"
        time.sleep(0.1)
    with log.open() as lines:
        calls = list(_calls(lines))
    moments = [(call.begun, 0, call) for call in calls] + [(call.ended, 1, call) for call in calls]
    moments.sort(key=lambda moment: moment[:2])
    return [Moment(call, bool(ended)) for _line, ended, call in moments]


def _tail(log: Path) -> str:
    """Return the last lines: one for each thread that ended, and some more."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 10_000))
        return file.read().decode()


def _calls(lines: Iterator[str]) -> Iterator[Call]:
    """Put together what other threads' calls cut in two, and leave out what failed."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        thread, said = line.rstrip("\n").split(maxsplit=1)
        start = number
        if said.endswith(" <unfinished ...>"):
            begun[thread] = (number, said.removesuffix(" <unfinished ...>"))
            continue
        if resumed := _RESUMED.match(said):
            start, first = begun.pop(thread)
            said = first + said[resumed.end() :]
        found = _CALL.match(said)
        if found and int(found[3]) >= 0:
            yield _call(found[1], found[2], int(found[3]), (start, number))


def _call(name: str, arguments: str, result: int, lines: tuple[int, int]) -> Call:
    file, peer, data = _FILE.match(arguments), _PEER.match(arguments), _DATA.match(arguments)
    number = _NUMBER.search(arguments)
    return Call(
        name,
        *lines,
        file=_bytes(next(filter(None, file.groups()), "")).decode() if file else "",
        port=int(peer[1]) if peer else 0,
        data=_bytes(data[1])[:result] if data else b"",
        number=int(number[1]) if number else 0,
        makes="O_CREAT" in arguments,
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
