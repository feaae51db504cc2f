"""Parses a CSV of attendees into rows, or into every mistake with its line."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ....models import Question, RegistrationStatus
from ....refusals import Refusal
from ....text.normalize import BYTE_ORDER_MARK
from ...registrations.register import Entry
from ..exports import COLUMNS, unescape_cell
from .cells import Cells

MAX_BYTES = 6 * 1024 * 1024
# Adding them blocks other writers for a second or two, and those wait for five at most.
MAX_ROWS = 10_000
REQUIRED_COLUMNS = ("name", "email")
_SEPARATORS = ",;\t"
MAX_CELL_CHARACTERS = csv.field_size_limit()


class NoSheet(Refusal):
    """The file as a whole is no CSV of attendees; the sentence says what to change."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attendee to add; the row begins on `line`. Without a status they are registered as by the
    form; without `registered_at`, now."""

    line: int
    entry: Entry
    status: RegistrationStatus | None
    registered_at: datetime | None
    confirmed_at: datetime | None
    withdrawn_at: datetime | None
    attended: bool


@dataclass(slots=True)
class Sheet:
    """The rows of a file, and its `faults`: the lines that each sentence is about."""

    rows: list[Row] = field(default_factory=list)
    faults: dict[str, list[int]] = field(default_factory=dict)

    def wrong(self, line: int, sentence: str) -> None:
        """Add a line to those that a sentence is about."""
        self.faults.setdefault(sentence, []).append(line)


def read(content: bytes, questions: Sequence[Question], now: datetime) -> Sheet:
    """Parse a CSV in UTF-8, or UTF-16 with a byte order mark; with comma, semicolon or tab.

    `questions` are those that the discussion ever asked.

    Raises `NoSheet`.
    """
    if len(content) > MAX_BYTES:
        raise NoSheet(
            f"The file has {len(content) / 1048576:.1f} MB; at most {MAX_BYTES // 1048576} MB are "
            "taken at once: split it."
        )
    text, skipped = _without_preamble(_decoded(content))
    known = [*COLUMNS, *(question.key for question in questions)]
    separator, names = _header(text, known)
    asked = {question.key: question for question in questions}
    sheet, seen = Sheet(), dict[str, int]()
    for line, cells in _body(text, separator, names, sheet, skipped):
        row = _row(line, Cells(cells, asked, now), sheet)
        if row is None:
            continue
        first = seen.setdefault(row.entry.address.canonical, line)
        if first != line:
            sheet.wrong(line, f"email is that of line {first} again; leave one of them out.")
        sheet.rows.append(row)
    if not sheet.rows and not sheet.faults:
        raise NoSheet("The file has no rows below its first line.")
    return sheet


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        decoded = content.decode(encoding).replace(BYTE_ORDER_MARK, "")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NoSheet(
            f"Line {line} is not {name}: save the file as “CSV UTF-8” and send it again."
        ) from None
    # Some programs end lines with CR alone.
    return decoded if "\n" in decoded else decoded.replace("\r", "\n")


def _without_preamble(text: str) -> tuple[str, int]:
    """Return the text from the header line on, and how many lines were above it: empty ones, and
    the one that tells Excel the separator."""
    start = skipped = 0
    while (end := text.find("\n", start)) >= 0:
        line = text[start:end]
        if line.strip(f"{_SEPARATORS} \r") and line[:4].casefold() != "sep=":
            break
        start, skipped = end + 1, skipped + 1
    return text[start:], skipped


def _header(text: str, known: Sequence[str]) -> tuple[str, list[str]]:
    """Return the separator and the names of the columns, from the first line."""
    first = text.partition("\n")[0].rstrip("\r")
    if "\0" in first:
        raise NoSheet("The file is no text: save it as “CSV UTF-8” and send it again.")
    if len(first) > MAX_CELL_CHARACTERS:
        raise NoSheet("The first line is too long: it must name the columns.")
    # The right separator is the one that gives the most known columns.
    candidates = {sign: _column_names(first, sign) for sign in _SEPARATORS}
    separator = max(candidates, key=lambda sign: len(set(candidates[sign]) & set(known)))
    names = candidates[separator]
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        raise NoSheet(
            f"The first line has no column {' and no column '.join(missing)}: it must name the "
            f"columns, {' and '.join(REQUIRED_COLUMNS)} among them."
        )
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        raise NoSheet(
            f"The column {', '.join(unknown)} is not known here; known are {', '.join(known)}. "
            "Rename it, or leave it out."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NoSheet(f"The column {', '.join(twice)} stands there twice: leave one out.")
    return separator, names


def _column_names(first: str, separator: str) -> list[str]:
    try:
        cells = next(csv.reader([first], delimiter=separator), [])
    except csv.Error:
        return []
    names = [cell.strip().casefold() for cell in cells]
    while names and not names[-1]:  # empty columns that a spreadsheet adds at the end
        names.pop()
    return names


def _body(
    text: str, separator: str, names: list[str], sheet: Sheet, skipped: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and cells by column of each row that has as many cells as the header."""
    for count, (line, cells) in enumerate(_rows(text, separator, sheet, skipped), start=1):
        if count > MAX_ROWS:
            raise NoSheet(f"The file has more than {MAX_ROWS} rows: split it.")
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        if len(cells) == len(names):
            yield line, dict(zip(names, map(unescape_cell, cells), strict=True))
        else:
            said = f"has {len(cells)} cells, and the first line has {len(names)}."
            sheet.wrong(line, said)


def _rows(text: str, separator: str, sheet: Sheet, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = first = skipped + 1
    try:
        for cells in reader:
            if line > first and any(cells):
                yield line, cells
            line = skipped + reader.line_num + 1
    except csv.Error:
        sheet.wrong(
            line,
            "is not CSV: a quotation mark stands where none may, or a cell has no end or more "
            f"than {MAX_CELL_CHARACTERS} characters.",
        )


def _row(line: int, cells: Cells, sheet: Sheet) -> Row | None:
    """Return the row, or note its mistakes in `sheet` and return None."""
    entry = cells.entry()
    confirmed_at, withdrawn_at = cells.time("confirmed_at"), cells.time("withdrawn_at")
    registered_at = cells.time("registered_at")
    status = cells.status(confirmed_at, withdrawn_at)
    attended = cells.flag("attended")
    cells.refuse_disagreeing(status, registered_at, confirmed_at, withdrawn_at)
    for sentence in cells.mistakes:
        sheet.wrong(line, sentence)
    if entry is None or cells.mistakes:
        return None
    return Row(line, entry, status, registered_at, confirmed_at, withdrawn_at, attended)
