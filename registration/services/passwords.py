"""Organizers' passwords: which are accepted, and how they are kept (Argon2id, RFC 9106)."""

import os
import re
import threading
import unicodedata

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ..refusals import Refusal

LEAST, MOST = 12, 128
# The second recommended option of RFC 9106, 4: three passes over 64 MiB, in KiB here.
_ITERATIONS, _LANES, _MEMORY = 3, 4, 64 * 1024
# Each takes 64 MiB: a flood of wrong passwords must not take it all.
_AT_ONCE = threading.BoundedSemaphore(2)
# Of a password that nobody knows: who asks for an unknown address waits as long.
_NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$h1/uNBgvYhvXG+BUJeHX0A$"
    "eks6dAqQ6oReu6xZQHBBo/fJ9T8PPnjpDI0pYqFbjuE"
)
# What long passwords are made of that others guess first; digits and signs do not count.
_GUESSED = """
password passwort parol welcome letmein iloveyou monkey dragon football baseball superman batman
princess sunshine master shadow admin administrator organizer registration discussion secret
changeme test testing qwerty qwertz azerty qwertyuiop asdfghjkl zxcvbnm login user guest abc abcd
abcdef hello summer winter spring autumn internet computer starwars trustno
"""
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_DISTINCT = 6


class PasswordRefused(Refusal):
    """The password is too short, too long, or one that others guess first."""


def check(password: str, *known: str) -> None:
    """Raise `PasswordRefused` unless a password is good: `known` are words that others know of its
    owner, such as the address."""
    if not LEAST <= len(password) <= MOST:
        raise PasswordRefused(
            f"A password has {LEAST} to {MOST} characters; this one has {len(password)}."
        )
    said = password.casefold()
    # First without the digits and signs at its ends, then with those within read as letters.
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", said)
    plain = (bare, bare.translate(str.maketrans("013457@$", "oieastas")))
    is_guessed = any(_is_made_of(re.sub(r"[^a-z]", "", item), _GUESSED.split()) for item in plain)
    repeats = re.fullmatch(r"(.{1,8}?)\1+", said)
    runs = any(said in run or said in run[::-1] for run in _RUNS)
    if repeats or runs or len(set(said)) < _DISTINCT or is_guessed:
        raise PasswordRefused("Others guess this password first. Take a few words at random.")
    if any(len(word) > 3 and word.casefold() in said for word in known):
        raise PasswordRefused("Leave your address and the name of this site out of the password.")


def _is_made_of(letters: str, words: list[str]) -> bool:
    pattern = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.fullmatch(rf"(?:{pattern})+", letters) is not None


def hashed(password: str) -> str:
    """Return what is kept of a password: Argon2id in the PHC string format, with a salt."""
    with _AT_ONCE:
        kind = Argon2id(
            salt=os.urandom(16),
            length=32,
            iterations=_ITERATIONS,
            lanes=_LANES,
            memory_cost=_MEMORY,
        )
        return kind.derive_phc_encoded(_bytes(password))


def is_right(password: str, kept: str | None) -> bool:
    """Whether `kept` is of this password; as slow where there is none."""
    with _AT_ONCE:
        try:
            Argon2id.verify_phc_encoded(_bytes(password), kept or _NOBODYS)
        except InvalidKey:
            return False
    return kept is not None


def _bytes(password: str) -> bytes:
    # The same letters come from keyboards in different forms (NIST SP 800-63B 3.1.1.2).
    return unicodedata.normalize("NFKC", password).encode()
