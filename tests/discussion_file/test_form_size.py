"""The questions of a discussion, and the largest form that they make."""

import pytest

from registration.discussion_file import DiscussionFileRefused, form_size, read

from ..builders import file


def asking(*questions: str) -> bytes:
    """Return a file with questions: each the lines that give its kind."""
    tables = (
        f'[[questions]]\nkey = "q{number}"\nlabel = "Why?"\n{question}\n'
        for number, question in enumerate(questions)
    )
    return file() + "\n".join(["", *tables]).encode()


def kind(name: str, *options: str) -> str:
    listed = ", ".join(f'"{option}"' for option in options)
    return f'kind = "{name}"\noptions = [{listed}]'


LONG, LINE, YES = kind("long"), kind("line"), kind("yes")
COUNTRIES = [f"Country {number}" for number in range(100)]


@pytest.mark.parametrize(
    "questions",
    [
        [LINE] * 20,
        [LONG] * 7,
        [LONG] * 5 + [LINE] * 14 + [YES],
        [kind("choice", *COUNTRIES)] * 20,
        [kind("choices", *COUNTRIES)] * 3 + [YES] * 17,
    ],
)
def test_a_form_that_fits_when_every_answer_is_longest_is_taken(questions):
    content = read(asking(*questions)).content
    assert form_size.largest_form(content) <= form_size.MAX_FORM_BYTES


@pytest.mark.parametrize(
    ("questions", "size"),
    [
        ([LONG] * 8, 69),
        ([LONG] * 20, 164),
        ([LONG] * 6 + [LINE] * 14, 71),
        ([kind("choices", *("ж" * 290 + str(number) for number in range(100)))], 76),
    ],
)
def test_a_form_that_could_not_be_sent_is_refused_in_one_sentence(questions, size):
    with pytest.raises(DiscussionFileRefused) as refused:
        read(asking(*questions))
    (mistake,) = refused.value.mistakes
    assert mistake == (
        f"questions ask for too much: with the longest answers, the form has {size} kB, and at "
        "most 64 kB are taken. Ask for fewer long answers, or offer fewer choices."
    )
