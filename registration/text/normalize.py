"""Typed text: normalized to one form, or refused because of a forbidden character.

All text that reaches a page, a letter, a calendar or the CSV has passed through here, so that it
contains no control character, line separator or direction override.
"""

import re
import unicodedata

from ..refusals import N_, Refusal

# Line ends, also those that people paste without seeing them: VT, FF, NEL and U+2028/2029.
_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Combining marks in a row.
_MAX_MARKS = 30
BYTE_ORDER_MARK = "\ufeff"
# Kazakh and Russian letters whose code points are out of alphabetical order. Each letter sorts
# after the first of its group: it is replaced by that one and as many of the last code point.
_LAST_CODE_POINT = "\U0010fffd"
_LETTER_GROUPS = "аә гғ её ий кқ нң оө уұү хһ ыі"  # noqa: RUF001
_SORTED_AS = {
    ord(letter): group[0] + _LAST_CODE_POINT * position
    for group in _LETTER_GROUPS.split()
    for position, letter in enumerate(group)
}
_SPACES = re.compile(r"[ \t\u00a0]+")
# U+202A-202E and U+2066-2069 change the order in which a text is displayed.
_OVERRIDES = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


class ForbiddenCharacter(Refusal):
    """The text contains a forbidden character; `code` is its code point."""

    sentence = N_("holds the character %(code)s, which cannot be shown; remove it")

    def __init__(self, character: str) -> None:
        self.code = f"U+{ord(character):04X}"
        super().__init__(code=self.code)


def normalized(text: str) -> str:
    """Return `text` in NFC, or raise `ForbiddenCharacter` if a letter has too many marks.

    No script needs that many, and normalizing takes time by the square of their number. Byte order
    marks, which people paste without seeing them, are removed.
    """
    text, marks = text.replace(BYTE_ORDER_MARK, ""), 0
    for character in text:
        # Not by the combining class: some marks of class 0 decompose into two of another class.
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks > _MAX_MARKS:
            raise ForbiddenCharacter(character)
    return unicodedata.normalize("NFC", text)


def line(text: str) -> str:
    """Return `text` as one line in NFC with single spaces, or raise `ForbiddenCharacter`."""
    text = _SPACES.sub(" ", normalized(text)).strip()
    return _checked(text, allowed="")


def paragraphs(text: str) -> str:
    r"""Return `text` in NFC with `\n` for every line end, or raise `ForbiddenCharacter`."""
    text = normalized(_BREAKS.sub("\n", text).replace("\t", " ")).strip()
    return _checked(text, allowed="\n")


def sorting_key(text: str) -> str:
    """Return a key that sorts texts without regard to case and marks.

    Kazakh and Russian letters sort in the order of their alphabets.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_SORTED_AS))
    return "".join(character for character in plain if unicodedata.category(character) != "Mn")


def cleaned(text: str) -> str:
    r"""Return `text` of any number of lines without forbidden characters.

    It is for rendered text: Markdown can name a character that the source does not contain
    (`&#x202e;`).
    """
    text = _BREAKS.sub("\n", text)
    return "".join(
        character
        for character in text.replace(BYTE_ORDER_MARK, "")
        if character == "\n" or not _is_forbidden(character)
    )


def _checked(text: str, allowed: str) -> str:
    for character in text:
        if character not in allowed and _is_forbidden(character):
            raise ForbiddenCharacter(character)
    return text if any(map(_is_visible, text)) else ""


def _is_visible(character: str) -> bool:
    # A text of zero-width characters alone is empty.
    return unicodedata.category(character)[0] in "LNPSC" and unicodedata.category(character) != "Cf"


def _is_forbidden(character: str) -> bool:
    # Cc control, Cs surrogate, Zl and Zp separators. An unassigned code point (Cn) may be a letter
    # or an emoji of a newer Unicode; only noncharacters never will be.
    return (
        character in _OVERRIDES
        or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or ord(character) & 0xFFFE == 0xFFFE
        or "\ufdd0" <= character <= "\ufdef"
    )
