"""Every property tested with hostile inputs: its strategy, its check, and its number of tries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from registration.services.attendees.exports import BOM, csv_lines

from . import announcements, entries, readers, requests, server_answers, texts
from .readers import same
from .service import Service

# Tries an input and returns whether it was accepted; raises `Broken` or any error of a reader.
Check = Callable[[Service, Any], bool]


@dataclass(frozen=True)
class Property:
    """One kind of input; `share` of all the inputs tried are of it."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Check
    share: float


def _rows() -> st.SearchStrategy[tuple[list[list[str]], str]]:
    row = st.lists(texts.hostile(4), min_size=3, max_size=3)
    return st.tuples(st.lists(row, max_size=4), st.sampled_from([",", ";", "\t"]))


def check_cells(_service: Service, drawn: tuple[list[list[str]], str]) -> bool:
    """Write rows as CSV, and read them back."""
    rows, separator = drawn
    names = ["a", "b", "c"]
    named: Iterator[dict[str, str]] = (dict(zip(names, row, strict=True)) for row in rows)
    written = "".join(csv_lines(named, names, separator)).removeprefix(BOM)
    same(readers.cells(written, separator), [names, *rows], "CSV")
    return True


PROPERTIES = [
    Property("forms", entries.typed(), entries.check_form, 0.3),
    Property("addresses", texts.addresses(), entries.check_address, 0.1),
    Property("discussion files", announcements.files(), announcements.check_file, 0.1),
    Property("broken files", announcements.broken_files(), announcements.check_bytes, 0.05),
    Property("requests", requests.strategy(), requests.check, 0.35),
    Property("mail servers' answers", server_answers.strategy(), server_answers.check, 0.05),
    Property("CSV files", _rows(), check_cells, 0.05),
]
