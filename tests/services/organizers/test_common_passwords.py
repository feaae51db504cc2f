"""The commonest long passwords: refused in whatever form, and not kept in memory."""

import re

import pytest

from registration.services.organizers import common_passwords, passwords
from registration.services.organizers.passwords import PasswordGuessed

from ...common_passwords import COUNT, MADE, digests


@pytest.mark.parametrize(
    "password",
    [
        *("1qaz2wsx3edc4rfv", "q1w2e3r4t5y6", "unbelievable", "finalfantasy", "sonyericsson"),
        # In capitals, with figures and signs around it, with figures for letters, full-width.
        *("HannahMontana", "Transformers2024!", "!!99 unbelievable", "Unb3l13vabl3"),
        "\uff55\uff4e\uff42\uff45\uff4c\uff49\uff45\uff56\uff41\uff42\uff4c\uff45",
        # A Russian word on the keys of an English keyboard, and the same in Cyrillic.
        *("ghjcnjgfhjkm", "простопароль", "Простопароль1"),  # noqa: RUF001
    ],
)
def test_a_common_password_is_refused_in_each_of_its_forms(password):
    with pytest.raises(PasswordGuessed):
        passwords.check(password)


@pytest.mark.parametrize(
    "password",
    ["unbelievable otter", "finalfantasy gravel", "gravel lantern otter", "1qaz otter 7"],
)
def test_a_password_that_only_contains_a_common_one_is_accepted(password):
    passwords.check(password)


def test_the_list_has_three_thousand_and_none_of_them_in_the_clear():
    rows = MADE.read_text().split("\n")
    assert rows.pop() == ""
    assert len(set(rows)) == COUNT == 3000
    assert rows == sorted(rows)
    assert all(re.fullmatch("[0-9a-f]{12}", row) for row in rows)


def test_the_list_is_made_of_the_first_rows_that_are_long_enough():
    rows = ["short\n", "elevenchars\n", *(f"a long row {n}\r\n" for n in range(COUNT + 2))]
    made = digests([*rows[:4], "A LONG ROW 1\n", *rows[4:]])
    assert len(made) == COUNT
    for number, is_in in ((0, True), (COUNT - 1, True), (COUNT, False)):
        assert (common_passwords.digest(f"a long row {number}") in made) is is_in
    assert common_passwords.digest("elevenchars") not in made
