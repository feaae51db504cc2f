"""Letters kept in a folder that mail programs can read (a Maildir).

A letter's file is named after its row's random id. So a letter that is kept again after a crash
replaces the first, an erasure finds it by its row, and no file name reveals the machine's name.
"""

import mailbox
from email.message import EmailMessage
from pathlib import Path

from .. import files


def folder_at(folder: Path) -> mailbox.Maildir:
    """Return the Maildir in `folder`; create it, readable by its owner only, if it is missing."""
    for part in (folder, folder / "tmp", folder / "new", folder / "cur"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    return mailbox.Maildir(folder)


def keep(folder: Path, key: str, message: EmailMessage) -> None:
    """Keep a letter durably under the file name `key`; raises OSError."""
    unfinished = folder / "tmp" / key
    with files.written(unfinished, "w") as file:
        file.write(bytes(message))
    files.replace(unfinished, folder / "new" / key)


def discard(folder: Path, key: str) -> None:
    """Remove a kept letter if it exists, also if a mail program has moved or flagged it."""
    (folder / "tmp" / key).unlink(missing_ok=True)
    folder_at(folder).discard(key)


def newest_first(folder: Path) -> list[str]:
    """Return the keys of the kept letters, newest first."""
    box = folder_at(folder)
    kept = set(box.keys())
    files = [path for part in ("new", "cur") for path in (folder / part).iterdir()]
    files.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [key for path in files if (key := path.name.partition(box.colon)[0]) in kept]
