"""The CSV as a spreadsheet opens it: nothing runs, nothing is lost, every letter is right."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from registration.database import reading
from registration.services.attendees import exports
from registration.services.attendees.cell_guard import escape_cell, unescape_cell

from .. import builders
from ..machine import program
from ..services.attendees.hostile_cells import hostile_cells
from ..services.attendees.test_imports import bring

pytestmark = pytest.mark.slow

# Imported as UTF-8 with commas; kept as text only where the spreadsheet itself decides so.
IMPORT = "--infilter=CSV:44,34,76,1,,0,false,true,false"
SHOWN = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false"
NAMES = [
    "Айгерим Нұрланқызы",
    "Ғалия Әбішева-Өтеген, Төлеген",
    "=1+1",
    "+7 701 111 22 33",
    "@SUM(A1)",
    "-1",
    '=HYPERLINK("https://example.org";"x")',
    "'already",
    'She said "yes", then; no',
    "\uff1d1+1",
]


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_a_spreadsheet_shows_what_was_typed_and_runs_nothing(app, tmp_path):
    office = program("soffice", "libreoffice")
    builders.publish()
    for number, name in enumerate(NAMES):
        builders.register(address=f"a{number}@example.org", name=name)
    with reading() as tx:
        names = exports.header(tx, "water")
    file = tmp_path / "attendees.csv"
    lines = exports.csv_lines(exports.attendees(reading, "water"), names)
    file.write_bytes("".join(lines).encode())
    rows = opened(office, file, tmp_path)
    assert rows[0] == names
    shown = [dict(zip(names, row, strict=True)) for row in rows[1:]]
    # What the guard adds is shown, and says by itself that the cell is text.
    assert [row["name"] for row in shown] == [escape_cell(name) for name in NAMES]
    assert [unescape_cell(row["name"]) for row in shown] == NAMES
    assert [row["email"] for row in shown] == [f"a{n}@example.org" for n in range(len(NAMES))]


def opened(office: str, file: Path, folder: Path) -> list[list[str]]:
    """Open `file` in a spreadsheet, save it as one, and return its cells as they are shown."""
    convert(office, folder, IMPORT, "--convert-to", "ods", file.name)
    # So the file read below is the one that the spreadsheet writes under the same name.
    file.unlink()
    convert(office, folder, "--convert-to", SHOWN, file.with_suffix(".ods").name)
    with file.open(encoding="utf-8-sig", newline="") as found:
        return list(csv.reader(found))


def convert(office: str, folder: Path, *words: str) -> None:
    profile = f"-env:UserInstallation=file://{folder}/profile"
    subprocess.run(
        [office, profile, "--headless", "--norestore", *words, "--outdir", folder],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=90,
    )


# As Russian Excel writes it: semicolons, and the locale's own dates and numbers.
RUSSIAN = "--infilter=CSV:59,34,76,1,,1049,false,true,false"
SAVED = "csv:Text - txt - csv (StarCalc):59,34,76,1,,1049,false,true,false"


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_a_file_saved_by_a_russian_spreadsheet_is_imported_unchanged(app, tmp_path):
    office = program("soffice", "libreoffice")
    builders.publish(builders.file("address_confirmation = false"))
    for number, name in enumerate(NAMES):
        builders.register(address=f"a{number}@example.org", name=name, affiliation="1,5; 2.03")
    with reading() as tx:
        names = exports.header(tx, "water")
    file = tmp_path / "attendees.csv"
    lines = list(exports.csv_lines(exports.attendees(reading, "water"), names, ";"))
    file.write_bytes("".join(lines).encode())
    convert(office, tmp_path, RUSSIAN, "--convert-to", "ods", file.name)
    file.unlink()
    convert(office, tmp_path, "--convert-to", SAVED, file.with_suffix(".ods").name)
    builders.publish(builders.file('slug = "again"\naddress_confirmation = false'))
    bring(file.read_bytes(), "again")
    again = exports.csv_lines(exports.attendees(reading, "again"), names, ";")
    assert [line.replace(";owed", ";") for line in lines] == list(again)


# Signs at which a reader splits: one of them or all, with repeated ones as one.
READERS = ["44", "59", "9", "124", "44/59/9/124/MRG"]
# Formulas are evaluated, and spaces around a cell are removed.
RUNNING = "--infilter=CSV:{signs},{quote},76,1,,0,false,true,false,false,true,0,true"


@pytest.mark.parametrize("quote", ["34", ""], ids=["with quotation marks", "without"])
def test_no_separator_of_the_reader_makes_a_formula_of_a_cell(tmp_path, quote):
    office = program("soffice", "libreoffice")
    cells = hostile_cells(200)
    rows = [{"name": cell, "email": f"{cell[:1]}@x", "ask": cell} for cell in cells]
    names = ["name", "email", "ask"]
    written = {"comma": ",", "semicolon": ";", "tab": "\t"}
    for name, separator in written.items():
        lines = exports.csv_lines(iter(rows), names, separator)
        (tmp_path / f"{name}.csv").write_bytes("".join(lines).encode())
    # A formula in the clear shows that one would be found.
    (tmp_path / "bare.csv").write_text("name\n=1+1\n")
    for signs in READERS:
        files = [f"{name}.csv" for name in [*written, "bare"]]
        running = RUNNING.format(signs=signs, quote=quote)
        convert(office, tmp_path, running, "--convert-to", "fods", *files)
        found = {name: formulas(tmp_path / f"{name}.fods") for name in [*written, "bare"]}
        sys.stdout.write(f"{len(cells)} cells, opened with {signs}: {found}\n")
        assert found == dict.fromkeys(written, 0) | {"bare": 1}


def formulas(file: Path) -> int:
    """Return how many cells of a spreadsheet are formulas."""
    return len(re.findall(" table:formula=", file.read_text()))
