"""Text as people type it: brought to one form, or refused with the character that cannot stay.

Everything that reaches a page, a letter, a calendar or the CSV went through here, so that no
control character, line separator or direction override can hide in it.
"""

import re
import unicodedata

from ..refusals import Refusal

# Tabs and breaks that people paste without seeing them; VT, FF, NEL and U+2028/2029 end lines.
_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_MOST_MARKS = 30
BYTE_ORDER_MARK = "\ufeff"
# Letters that code points put elsewhere: each after the first of its group, in Kazakh and Russian.
_LAST = "\U0010fffd"
_GROUPS = "аә гғ её ий кқ нң оө уұү хһ ыі"  # noqa: RUF001
_AFTER = {
    ord(letter): group[0] + _LAST * place
    for group in _GROUPS.split()
    for place, letter in enumerate(group)
}
_SPACES = re.compile(r"[ \t\u00a0]+")
# U+202A-202E and U+2066-2069 let a text read differently from what is stored.
_OVERRIDES = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


class ForbiddenCharacter(Refusal):
    """The text holds a character that may not stand in it; `code` is its code point."""

    def __init__(self, character: str) -> None:
        self.code = f"U+{ord(character):04X}"
        super().__init__(f"holds the character {self.code}, which cannot be shown; remove it")


def normalized(text: str) -> str:
    """Return `text` in NFC, or raise `ForbiddenCharacter` where marks are heaped on a letter.

    No script needs so many, and normalizing takes time by the square of their number. A byte order
    mark, which comes along unseen with what is pasted, is left out: some readers do that too.
    """
    text, marks = text.replace(BYTE_ORDER_MARK, ""), 0
    for character in text:
        # Not by its combining class: some marks of class 0 decompose into two of another.
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks > _MOST_MARKS:
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
    """Return what `text` is sorted by: letters of either case and with any marks together, those of
    Kazakh and Russian in the order of their alphabets."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_AFTER))
    return "".join(character for character in plain if unicodedata.category(character) != "Mn")


def cleaned(text: str) -> str:
    r"""Return `text` of any number of lines without what may not stand in it, for what a format
    such as Markdown can name without holding it (`&#x202e;`)."""
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
    return text if any(map(_is_seen, text)) else ""


def _is_seen(character: str) -> bool:
    # Zero-width characters, alone, would pass for a name.
    return unicodedata.category(character)[0] in "LNPSC" and unicodedata.category(character) != "Cf"


def _is_forbidden(character: str) -> bool:
    # Cc control, Cs surrogate, Zl and Zp separators. What this Python's Unicode does not know yet
    # (Cn) may be a letter or an emoji of a newer one; only noncharacters never will be.
    return (
        character in _OVERRIDES
        or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or ord(character) & 0xFFFE == 0xFFFE
        or "\ufdd0" <= character <= "\ufdef"
    )
