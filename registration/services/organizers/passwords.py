"""Checks the strength of passwords, and hashes and verifies them (Argon2id, RFC 9106).

A process computes one hash at a time: two threads that compute hashes of more than one lane at the
same time deadlock (docs/dependencies.md), and each hash takes 64 MiB.
"""

import os
import re
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ...refusals import N_, OperatorRefusal, Refusal
from . import common_passwords

MIN_CHARACTERS = 12
MAX_CHARACTERS = 128
# How many requests may compute a hash or wait for it. The server has more threads than these and
# the waiting writers together, so that pages are always answered.
QUEUE_LENGTH = 20
LONGEST_WAIT_SECONDS = 2.5
# Words of which guessable passwords are made; digits and signs do not count.
_GUESSED_WORDS = """
password passwort parol welcome letmein iloveyou monkey dragon football baseball superman batman
princess sunshine master shadow admin administrator organizer registration discussion secret
changeme test testing qwerty qwertz azerty qwertyuiop asdfghjkl zxcvbnm login user guest abc abcd
abcdef hello summer winter spring autumn internet computer starwars trustno
"""
_LONGEST_FIRST = sorted(_GUESSED_WORDS.split(), key=len, reverse=True)
_MADE_OF_GUESSED = re.compile(f"(?:{'|'.join(_LONGEST_FIRST)})++")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_READ_AS_LETTERS = str.maketrans("013457@$", "oieastas")
_MIN_DISTINCT_CHARACTERS = 6


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a hash: passes over the memory, and KiB of memory. It always has one lane."""

    iterations: int = 3
    memory_kib: int = 64 * 1024


# Memory and passes of the second recommended option of RFC 9106, 4. Its four lanes would only be
# faster on four cores, and cause the deadlock.
FULL_COST = Cost()
_LANES = 1


class PasswordRefused(Refusal):
    """The password is too short, too long, or easy to guess."""


class PasswordLengthRefused(PasswordRefused):
    """The password is too short or too long."""

    sentence = N_("A password has %(least)s to %(most)s characters; this one has %(length)s.")


class PasswordGuessed(PasswordRefused):
    """The password is one of those that are guessed first."""

    sentence = N_("Others guess this password first. Take a few words at random.")


class PasswordNamesOwner(PasswordRefused):
    """The password holds the address of its owner, or the name of the site."""

    sentence = N_("Leave your address and the name of this site out of the password.")


class PasswordsBusy(OperatorRefusal):
    """Too many passwords are being checked at this moment; each check takes long on purpose."""


def check(password: str, *known: str) -> None:
    """Raise `PasswordRefused` if a password is weak. `known` are words that others know of its
    owner, such as the parts of the address."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise PasswordLengthRefused(least=MIN_CHARACTERS, most=MAX_CHARACTERS, length=len(password))
    said = unicodedata.normalize("NFKC", password).casefold()
    # First without the digits and signs at its ends, then with those within read as letters.
    between = re.search(r"[^\W\d_](?:.*[^\W\d_])?", said, re.DOTALL)
    bare = between[0] if between else ""
    plain = (bare, bare.translate(_READ_AS_LETTERS))
    is_guessed = any(_MADE_OF_GUESSED.fullmatch(re.sub(r"[^a-z]", "", item)) for item in plain)
    repeats = re.fullmatch(r"(.{1,8}?)\1+", said)
    runs = any(said in run or said in run[::-1] for run in _RUNS)
    if repeats or runs or len(set(said)) < _MIN_DISTINCT_CHARACTERS or is_guessed:
        raise PasswordGuessed
    if common_passwords.has_any((said, said.translate(_READ_AS_LETTERS), *plain)):
        raise PasswordGuessed
    if any(len(word) > 3 and word.casefold() in said for word in known):
        raise PasswordNamesOwner


def hash_password(password: str, cost: Cost) -> str:
    """Return the Argon2id hash of a password with a new salt, in the PHC string format.

    Raises `PasswordsBusy`.
    """
    with turn():
        return _derived(_bytes(password), os.urandom(16), cost)


def is_right(password: str, kept: str | None, cost: Cost) -> bool:
    """Whether the hash `kept` is of this password; without one, False after the same time.

    Raises `PasswordsBusy`.
    """
    with turn():
        try:
            Argon2id.verify_phc_encoded(_bytes(password), kept or _decoy(cost))
        except InvalidKey:
            return False
    return kept is not None


def is_outdated(kept: str, cost: Cost) -> bool:
    """Whether a hash has other parameters than new ones get."""
    return f"$m={cost.memory_kib},t={cost.iterations},p={_LANES}$" not in kept


def stuck_seconds() -> float:
    """Return for how many seconds the current hash has been computed; 0 if there is none."""
    began = _turn_began
    return time.monotonic() - began if began else 0.0


_queue = threading.BoundedSemaphore(QUEUE_LENGTH)
_turns = threading.Lock()
_turn_began = 0.0


@contextmanager
def place_in_queue() -> Iterator[None]:
    """Take one of the `QUEUE_LENGTH` places. Raises `PasswordsBusy` if none is free."""
    if not _queue.acquire(blocking=False):
        raise PasswordsBusy("Too many passwords are being checked.")
    try:
        yield
    finally:
        _queue.release()


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the turn to compute a hash. Raises `PasswordsBusy` after LONGEST_WAIT_SECONDS."""
    global _turn_began  # noqa: PLW0603
    with place_in_queue():
        if not _turns.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise PasswordsBusy("The check of a password waited for too long.")
        _turn_began = time.monotonic()
        try:
            yield
        finally:
            _turn_began = 0.0
            _turns.release()


@cache
def _decoy(cost: Cost) -> str:
    """Return the hash of a random password, so that unknown addresses take as long as others."""
    return _derived(os.urandom(32), os.urandom(16), cost)


def _derived(password: bytes, salt: bytes, cost: Cost) -> str:
    kind = Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=_LANES,
        memory_cost=cost.memory_kib,
    )
    return kind.derive_phc_encoded(password)


def _bytes(password: str) -> bytes:
    # The same letters come from keyboards in different forms (NIST SP 800-63B 3.1.1.2).
    return unicodedata.normalize("NFKC", password).encode()
