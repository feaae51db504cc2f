"""A disk that loses writes: the states of files that a power cut may leave after system calls.

Synced data is there. Of the rest any part may be, in any order: a write torn at sectors, a
file without its directory entry, a truncation that never came.
"""

import itertools
from dataclasses import dataclass, field
from random import Random

from .traces import Call, Moment

SECTOR = 512
# The likelihood that an unsynced change survives; each cut draws one.
SURVIVING = (0.0, 0.1, 0.5, 0.9, 1.0)
TEARING = (0.0, 0.5, 1.0)
_CHANGES = {"pwrite64", "ftruncate"}
SYNCS = {"fsync", "fdatasync"}
_ENTRIES = {"openat", "unlink"}


class NotUnderstood(Exception):
    """A system call changed a file in a way that this disk knows nothing of."""


@dataclass(eq=False)
class File:
    """The durable content of a file, and the changes that may have reached the disk."""

    durable: bytearray
    pending: dict[Call, bool] = field(default_factory=dict)  # and whether the call has ended


class Disk:
    """Some files of one folder, from `contents` on; all others are ignored.

    A name has versions: the entry that is durable, and those after it that may be. None is an
    entry that is not there.
    """

    def __init__(self, folder: str, names: set[str], contents: dict[str, bytes]) -> None:
        self.folder = folder
        self.entries: dict[str, list[File | None]] = {
            name: [File(bytearray(contents[name])) if name in contents else None] for name in names
        }
        self.syncing: dict[Call, list[Call]] = {}
        self.entries_syncing: dict[Call, dict[str, File | None]] = {}

    def see(self, moment: Moment) -> None:
        """Take in what happens next; raise `NotUnderstood`."""
        call = moment.call
        if call.file == self.folder and call.name in SYNCS:
            self._sync_entries(call, has_ended=moment.has_ended)
        folder, _slash, name = call.file.rpartition("/")
        if folder != self.folder or name not in self.entries:
            return
        versions = self.entries[name]
        if call.name in _ENTRIES:
            if moment.has_ended:
                self._enter(versions, call)
        elif (file := versions[-1]) is None or call.name not in _CHANGES | SYNCS:
            raise NotUnderstood(f"{call.name} on {name}")
        elif call.name in _CHANGES:
            file.pending[call] = moment.has_ended
        else:
            self._sync(file, call, has_ended=moment.has_ended)

    def _enter(self, versions: list[File | None], call: Call) -> None:
        if call.name == "unlink":
            versions.append(None)
        elif call.makes and versions[-1] is None:
            versions.append(File(bytearray()))

    def _sync(self, file: File, call: Call, *, has_ended: bool) -> None:
        """Make durable what had ended when the sync began: not what came beside it."""
        if not has_ended:
            self.syncing[call] = [change for change, ended in file.pending.items() if ended]
            return
        for change in self.syncing.pop(call):
            if file.pending.pop(change, None) is not None:
                _apply(file.durable, change)

    def _sync_entries(self, call: Call, *, has_ended: bool) -> None:
        if not has_ended:
            last = {name: versions[-1] for name, versions in self.entries.items()}
            self.entries_syncing[call] = last
            return
        for name, version in self.entries_syncing.pop(call).items():
            versions = self.entries[name]
            if version in versions:
                del versions[: versions.index(version)]

    @property
    def is_settled(self) -> bool:
        """Whether a power cut now could leave one thing only."""
        return all(
            len(versions) == 1 and not (versions[0] and versions[0].pending)
            for versions in self.entries.values()
        )

    def after_cut(self, chance: Random) -> dict[str, bytes]:
        """Return the files that one power cut, now, leaves."""
        surviving, tearing = chance.choice(SURVIVING), chance.choice(TEARING)
        left = {name: chance.choice(versions) for name, versions in self.entries.items()}
        return {
            name: _cut(file, chance, surviving, tearing)
            for name, file in left.items()
            if file is not None
        }


def _cut(file: File, chance: Random, surviving: float, tearing: float) -> bytes:
    content = bytearray(file.durable)
    for change in chance.sample(list(file.pending), len(file.pending)):
        if chance.random() < surviving:
            _apply(content, change, chance if chance.random() < tearing else None)
    return bytes(content)


def _apply(content: bytearray, call: Call, torn: Random | None = None) -> None:
    if call.name == "ftruncate":
        del content[call.number :]
        content.extend(bytes(call.number - len(content)))
        return
    for start, part in _sectors(call) if torn else [(call.number, call.data)]:
        if torn and torn.random() < 0.5:
            continue
        content.extend(bytes(max(0, start - len(content))))
        content[start : start + len(part)] = part


def _sectors(call: Call) -> list[tuple[int, bytes]]:
    """Return a write cut where sectors of the disk end."""
    end = call.number + len(call.data)
    inner = range(call.number - call.number % SECTOR + SECTOR, end, SECTOR)
    edges = [call.number, *inner, end]
    return [
        (first, call.data[first - call.number : last - call.number])
        for first, last in itertools.pairwise(edges)
    ]
