"""Organizers' passwords: which are refused, in words, how they are kept, and checked by many at
once."""

import threading
import time
from contextlib import ExitStack

import pytest

from registration.services.organizers import passwords
from registration.services.organizers.passwords import FULL_COST, PasswordRefused, PasswordsBusy

KNOWN = ("asel", "example.org", "Wednesday talks")


@pytest.mark.parametrize(
    "password",
    [
        *("short", "x" * 11, "gravel lantern otter" * 7),
        *("Password1234!", "P@ssw0rd2023!!", "qwertyuiop12", "123456789012", "210987654321"),
        *("abcdefghijkl", "iloveyou2023", "letmeinletmein", "aaaaaaaaaaaa", "abababababab"),
        *("asdfghjklzxcvbnm", "asel gravel otter", "wednesday talks 7"),
    ],
)
def test_a_password_that_others_guess_first_is_refused(password):
    with pytest.raises(PasswordRefused):
        passwords.check(password, *KNOWN)


@pytest.mark.parametrize(
    "password",
    [
        "gravel lantern otter",
        "Пароль на завтра 7",
        "қызғалдақ пен тау",
        "kT7!vm2$Qz9w",
        "correct horse",
        "x7" + "gravel lantern otter " * 6,
    ],
)
def test_any_other_is_taken_and_found_right_again(password):
    passwords.check(password, *KNOWN)


def test_it_is_kept_as_argon2id_with_a_salt_of_its_own():
    first, second = (passwords.hash_password("gravel lantern otter", FULL_COST) for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert passwords.is_right("gravel lantern otter", first, FULL_COST)
    assert not passwords.is_right("gravel lantern ottar", first, FULL_COST)
    assert not passwords.is_right("gravel lantern otter", None, FULL_COST)


def test_the_same_letters_in_another_form_are_the_same_password():
    kept = passwords.hash_password("caf\u00e9 gravel otter", FULL_COST)
    assert passwords.is_right("cafe\u0301 gravel otter", kept, FULL_COST)


# Made by an earlier version, with four lanes: two threads that check such hashes at once deadlock.
FOUR_LANES = (
    "$argon2id$v=19$m=65536,t=3,p=4$h1/uNBgvYhvXG+BUJeHX0A$"
    "eks6dAqQ6oReu6xZQHBBo/fJ9T8PPnjpDI0pYqFbjuE"
)


def all_at_once(number: int, kept: str | None) -> list[object]:
    """Check a wrong password in so many threads at once; return what each was told."""
    told: list[object] = []

    def check() -> None:
        try:
            told.append(passwords.is_right("gravel lantern ottar", kept, FULL_COST))
        except PasswordsBusy as refusal:
            told.append(refusal)

    # Daemons: threads that wait for each other for good must not hold the end of the tests up.
    threads = [threading.Thread(target=check, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "checks wait for each other"
    return told


@pytest.mark.parametrize("kept", [FOUR_LANES, None])
def test_twenty_passwords_at_once_are_all_checked_at_full_cost(kept):
    started = time.monotonic()
    told = all_at_once(passwords.QUEUE_LENGTH, kept)
    spent = time.monotonic() - started
    assert {type(item) for item in told} <= {bool, PasswordsBusy}
    # Each waits for so long at most, also on a machine that is busy with something else.
    assert spent < passwords.LONGEST_WAIT_SECONDS + 2
    assert False in told


def test_a_full_queue_is_refused_at_once():
    with ExitStack() as queue:
        for _ in range(passwords.QUEUE_LENGTH):
            queue.enter_context(passwords.place_in_queue())
        started = time.monotonic()
        with pytest.raises(PasswordsBusy):
            passwords.is_right("gravel lantern ottar", None, FULL_COST)
        assert time.monotonic() - started < 0.1
    assert not passwords.is_right("gravel lantern ottar", None, FULL_COST)


def test_a_check_without_end_delays_nobody_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 0.2)
    with passwords.turn():
        time.sleep(0.05)
        assert passwords.stuck_seconds() > 0.04
        with pytest.raises(PasswordsBusy):
            passwords.hash_password("gravel lantern otter", FULL_COST)
    assert passwords.stuck_seconds() == 0


def test_a_hash_with_other_parameters_is_outdated():
    assert passwords.is_outdated(FOUR_LANES, FULL_COST)
    assert not passwords.is_outdated(
        passwords.hash_password("gravel lantern otter", FULL_COST), FULL_COST
    )
