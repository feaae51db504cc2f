"""Makes the list of the commonest long passwords: `python -m tests.common_passwords LIST`.

LIST has a password a row, the commonest first; docs/dependencies.md says which it was.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from registration.services.organizers import common_passwords, passwords

MADE = Path(common_passwords.__file__).with_suffix(".txt")
COUNT = 3000


def main(source: Path) -> None:
    """Write the list of the service anew."""
    with source.open(encoding="utf-8") as rows:
        MADE.write_text("\n".join(sorted(digests(rows))) + "\n", encoding="ascii")


def digests(rows: Iterable[str]) -> set[str]:
    """Return the first `COUNT` different digests of rows that are long enough for a password."""
    found: set[str] = set()
    for row in rows:
        word = row.rstrip("\r\n")
        if len(found) < COUNT and len(word) >= passwords.MIN_CHARACTERS:
            found.add(common_passwords.digest(word))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
