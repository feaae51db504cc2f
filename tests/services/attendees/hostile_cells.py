"""Cells that somebody types so that a spreadsheet runs them, whichever separator it splits at."""

from itertools import cycle, product

# Ends of a cell: separators, quotation marks, line ends, and more than one of them.
ENDS = [
    ",",
    ";",
    "\t",
    "|",
    '"',
    "\n",
    ";\n",
    ',"',
    ';"',
    '|"',
    '\t"',
    ';""',
    "';",
    "\x0b",
    "\u2028",
]
FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", '=HYPERLINK("https://example.org";"x")',
    "=cmd|' /C calc'!A0", "\uff1d1+1", "=2",
]  # fmt: skip
BETWEEN = ["", " ", "  ", "'", "\xa0", "\u3000", "' ", "''"]
BEHIND = ["", ";", '"', ',"', "\n", ';=2+2;"', "\t=2"]


def hostile_cells(count: int) -> list[str]:
    """Return `count` cells, no two the same; the first have every formula after every end."""
    between, behind = cycle(BETWEEN), cycle(BEHIND)
    found = dict.fromkeys(
        before + end + next(between) + formula + next(behind)
        for before, formula, end in product(["", "Ann", "Ann "], FORMULAS, ENDS)
    )
    return list(found)[:count]
