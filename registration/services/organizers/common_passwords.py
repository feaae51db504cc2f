"""Whether a password is one of the 3,000 commonest of 12 characters or more.

`common_passwords.txt` has the first 48 bits of the SHA-256 of each: some of these words should not
stand in a source. docs/dependencies.md says where the list is from.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_LIST = Path(__file__).with_name("common_passwords.txt")
_HEX_DIGITS = 12
# Many type Russian words while the keyboard is set to English, or the other way round.
_SAME_KEYS = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбюё", "qwertyuiop[]asdfghjkl;'zxcvbnm,.`")


def has_any(words: Iterable[str]) -> bool:
    """Whether the list has one of these words, in whatever case and on whatever keyboard.

    The list is read each time: new passwords are rare, and nobody else needs it in memory.
    """
    listed = set(_LIST.read_text(encoding="ascii").split())
    return not listed.isdisjoint(map(digest, words))


def digest(word: str) -> str:
    """Return a word as the list has it."""
    plain = unicodedata.normalize("NFKC", word).casefold().translate(_SAME_KEYS)
    return hashlib.sha256(plain.encode()).hexdigest()[:_HEX_DIGITS]
