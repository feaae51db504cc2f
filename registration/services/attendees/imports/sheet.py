"""Parses a CSV of attendees into rows, or into every mistake with its line."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ....models import Question, RegistrationStatus
from ....refusals import N_, Message, N_ngettext, Refusal, Sentence
from ....text.normalize import BYTE_ORDER_MARK
from ...registrations.register import Entry
from ..cell_guard import unescape_cell
from ..exports import COLUMNS
from .cells import Cells

MAX_BYTES = 6 * 1024 * 1024
# Adding them blocks other writers for a second or two, and those wait for five at most.
MAX_ROWS = 10_000
REQUIRED_COLUMNS = ("name", "email")
_LACKS_ONE = N_(
    "The first line has no column %(missing)s: it must name the columns, %(name)s and %(email)s "
    "among them."
)
_LACKS_BOTH = N_(
    "The first line has no column %(name)s and no column %(email)s: it must name the columns, "
    "%(name)s and %(email)s among them."
)
_SEPARATORS = ",;\t"
MAX_CELL_CHARACTERS = csv.field_size_limit()


class NoSheet(Refusal):
    """The file as a whole is no CSV of attendees; the sentence says what to change."""

    def __init__(self, message: Message, **values: object) -> None:
        self.sentence = message
        super().__init__(**values)


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
    faults: dict[Sentence, list[int]] = field(default_factory=dict)

    def wrong(self, line: int, sentence: Sentence) -> None:
        """Note that something is wrong with a line."""
        self.faults.setdefault(sentence, []).append(line)


def read(
    content: bytes, questions: Sequence[Question], now: datetime, *, needs_name: bool = True
) -> Sheet:
    """Parse a CSV in UTF-8, or UTF-16 with a byte order mark; with comma, semicolon or tab.

    `questions` are those that the discussion ever asked. Cells of names may be empty unless
    `needs_name`.

    Raises `NoSheet`.
    """
    if len(content) > MAX_BYTES:
        raise NoSheet(
            N_("The file has %(size)s MB; at most %(most)s MB are taken at once: split it."),
            size=f"{len(content) / 1048576:.1f}",
            most=MAX_BYTES // 1048576,
        )
    text, skipped = _without_preamble(_decoded(content))
    known = [*COLUMNS, *(question.key for question in questions)]
    separator, names = _header(text, known)
    asked = {question.key: question for question in questions}
    sheet, seen = Sheet(), dict[str, int]()
    for line, cells in _body(text, separator, names, sheet, skipped):
        row = _row(line, Cells(cells, asked, now, needs_name=needs_name), sheet)
        if row is None:
            continue
        first = seen.setdefault(row.entry.address.canonical, line)
        if first != line:
            again = N_("email is that of line %(line)s again; leave one of them out.")
            sheet.wrong(line, Sentence(again, line=first))
        sheet.rows.append(row)
    if not sheet.rows and not sheet.faults:
        raise NoSheet(N_("The file has no rows below its first line."))
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
            N_(
                "Line %(line)s is not %(encoding)s: save the file as “CSV UTF-8” and send it again."
            ),
            line=line,
            encoding=name,
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
        raise NoSheet(N_("The file is no text: save it as “CSV UTF-8” and send it again."))
    if len(first) > MAX_CELL_CHARACTERS:
        raise NoSheet(N_("The first line is too long: it must name the columns."))
    # With the right separator, most of the columns are known.
    found = {sign: _column_names(first, sign) for sign in _SEPARATORS}
    separator = max(found, key=lambda sign: len(set(found[sign]) & set(known)))
    names = found[separator]
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        message = _LACKS_ONE if len(missing) == 1 else _LACKS_BOTH
        raise NoSheet(
            message, missing=missing[0], name=REQUIRED_COLUMNS[0], email=REQUIRED_COLUMNS[1]
        )
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        raise NoSheet(
            N_(
                "The column %(unknown)s is not known here; known are %(known)s. Rename it, or "
                "leave it out."
            ),
            unknown=", ".join(unknown),
            known=", ".join(known),
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NoSheet(
            N_("The column %(names)s stands there twice: leave one out."), names=", ".join(twice)
        )
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
            raise NoSheet(N_("The file has more than %(most)s rows: split it."), most=MAX_ROWS)
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        if len(cells) == len(names):
            yield line, dict(zip(names, map(unescape_cell, cells), strict=True))
        else:
            said = N_ngettext(
                "has %(num)s cell, and the first line has %(columns)s.",
                "has %(num)s cells, and the first line has %(columns)s.",
            )
            sheet.wrong(line, Sentence(said, num=len(cells), columns=len(names)))


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
            Sentence(
                N_(
                    "is not CSV: a quotation mark stands where none may, or a cell has no end or "
                    "more than %(most)s characters."
                ),
                most=MAX_CELL_CHARACTERS,
            ),
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
