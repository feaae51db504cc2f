"""Guards the cells of a CSV: no spreadsheet runs them, whichever separator it splits them at.

A guard is an apostrophe before a text that a spreadsheet would run. It stands at the start of a
cell, and inside it after each character at which a reader may begin another cell: a name
`Ann;=1+1` is one cell between commas, and two where semicolons are expected. A space is no such
character: it separates the words of every text.
"""

import re

_GUARD = "'"
# Separators, quotation mark and line ends (VT, FF, NEL, LS and PS too). A reader with other rules
# than the writer's ends a cell here.
_BOUNDARY = '[,;|"\t\n\v\f\r\x85\u2028\u2029]'
# Characters that may not keep a reader from the sign behind them: spaces of all kinds, invisible
# and control characters, and guards.
_SKIPPED = (
    "[\0-\x08\x0e-\x20\x7f-\x84\x86-\xa0\xad\u061c\u1680\u180e\u2000-\u200f"
    f"\u202a-\u202f\u205f-\u206f\u3000\ufeff{_GUARD}]"
)
# Signs that begin a formula, also full-width and small ones, which East Asian spreadsheets take as
# the same.
_SIGN = "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
_RUNS = f"(?={_SKIPPED}*+{_SIGN})"
# At the start of a cell, also characters that some readers drop, and the guard itself: only so can
# `unescape_cell` take every guard off.
_UNGUARDED = re.compile(f"\\A(?=[{_GUARD}\t\n\r\0])|\\A{_RUNS}|(?<={_BOUNDARY}){_RUNS}")
_GUARDED = re.compile(f"\\A{_GUARD}|(?<={_BOUNDARY}){_GUARD}{_RUNS}")


def escape_cell(text: str) -> str:
    """Return `text` so that a spreadsheet shows it as text: `=1` becomes `'=1`."""
    return _UNGUARDED.sub(_GUARD, text)


def unescape_cell(cell: str) -> str:
    """Return the text that `escape_cell` was given."""
    return _GUARDED.sub("", cell)
