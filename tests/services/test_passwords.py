"""Organizers' passwords: which are refused, in words, and how they are kept."""

import pytest

from registration.services import passwords
from registration.services.passwords import PasswordRefused

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
    first, second = (passwords.hashed("gravel lantern otter") for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.is_right("gravel lantern otter", first)
    assert not passwords.is_right("gravel lantern ottar", first)
    assert not passwords.is_right("gravel lantern otter", None)


def test_the_same_letters_in_another_form_are_the_same_password():
    kept = passwords.hashed("caf\u00e9 gravel otter")
    assert passwords.is_right("cafe\u0301 gravel otter", kept)
