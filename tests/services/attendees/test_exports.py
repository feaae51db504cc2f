"""The CSV of attendees: exactly the contract's, read back by another parser, in flat memory."""

import csv
import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import insert, update

from registration import outbox
from registration.crypto.tokens import new_token, token_hash
from registration.database import reading, writing
from registration.models import Attendee, Letter, LetterState, Registration
from registration.services.attendees import exports
from registration.services.attendees.cell_guard import unescape_cell
from registration.services.attendees.exports import NoSuchColumn, csv_lines
from registration.services.catalog import NoSuchDiscussion
from registration.services.registrations import self_service

from ... import builders

QUESTIONS = b"""
[[questions]]
key = "ask"
label = "What would you like to ask?"
kind = "long"

[[questions]]
key = "days"
label = "Which days?"
kind = "choices"
options = ["Monday", "Tuesday"]

[[questions]]
key = "news"
label = "News?"
kind = "yes"
"""
COLUMNS = [
    "registered_at",
    "status",
    "name",
    "email",
    "affiliation",
    "language",
    "confirmed_at",
    "withdrawn_at",
    "attended",
    "letter_state",
]


def read(text: str, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def export(slug: str = "water") -> list[dict[str, str]]:
    with reading() as tx:
        names = exports.header(tx, slug)
    text = "".join(csv_lines(exports.attendees(reading, slug), names))
    header, *rows = read(text.removeprefix("\ufeff"))
    return [dict(zip(header, map(unescape_cell, row), strict=True)) for row in rows]


@given(
    st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=5),
    st.sampled_from([",", ";", "\t"]),
)
@example([["", "", ""], ["\r\n", "\n", "\r"], ['"', ",;\t", "'="]], ";")
def test_every_cell_is_read_back_by_another_parser(rows, separator):
    names = ["a", "b", "c"]
    named = (dict(zip(names, row, strict=True)) for row in rows)
    written = list(csv_lines(named, names, separator))
    text = "".join(written)
    assert len(written) == len(rows) + 1
    assert all(line.endswith("\r\n") for line in written)
    assert text.encode().startswith(b"\xef\xbb\xbfa")
    header, *found = read(text.removeprefix("\ufeff"), separator)
    assert header == names
    assert [[unescape_cell(cell) for cell in row] for row in found] == rows


@given(st.text(max_size=20))
def test_a_lone_cell_is_a_line_of_its_own(text):
    written = "".join(csv_lines(iter([{"a": text}]), ["a"]))
    assert [unescape_cell(cell) for row in read(written)[1:] for cell in row] == [text]


def test_the_header_is_the_contracts_then_the_questions(app):
    builders.publish(builders.file() + QUESTIONS)
    with reading() as tx:
        assert exports.header(tx, "water") == [*COLUMNS, "ask", "days", "news"]


def test_chosen_columns_come_in_the_order_they_were_asked_for(app):
    builders.publish(builders.file() + QUESTIONS)
    with reading() as tx:
        assert exports.header(tx, "water", ["ask", "email"]) == ["ask", "email"]


def test_a_column_that_is_not_there_is_told_with_those_that_are(app):
    builders.publish(builders.file() + QUESTIONS)
    with reading() as tx, pytest.raises(NoSuchColumn) as refused:
        exports.header(tx, "water", ["email", "phone"])
    named = ", ".join([*COLUMNS, "ask", "days", "news"])
    assert str(refused.value) == f"There is no column phone; there are {named}."


def test_a_discussion_that_is_not_there_is_told(app):
    with pytest.raises(NoSuchDiscussion), reading() as tx:
        exports.header(tx, "nothing")
    with pytest.raises(NoSuchDiscussion):
        list(exports.attendees(reading, "nothing"))


def test_every_column_says_what_it_is_named_for(app, clock):
    builders.publish(builders.file() + QUESTIONS)
    builders.register(
        affiliation="=КазНУ",
        name="+7 701 111 22 33",
        language="ru",
        answers={
            "ask": 'Why?\n"Because", he said; -1',
            "days": ["Monday", "Tuesday"],
            "news": True,
        },
    )
    clock.advance(hours=1, microseconds=250)
    builders.confirm()
    builders.deliver()
    assert export() == [
        {
            "registered_at": "2026-03-02T12:00:00Z",
            "status": "confirmed",
            "name": "+7 701 111 22 33",
            "email": "aigerim@example.org",
            "affiliation": "=КазНУ",
            "language": "ru",
            "confirmed_at": "2026-03-02T13:00:00Z",
            "withdrawn_at": "",
            "attended": "",
            "letter_state": "sent",
            "ask": 'Why?\n"Because", he said; -1',
            "days": "Monday; Tuesday",
            "news": "yes",
        }
    ]


def test_status_tells_where_each_stands(app, clock):
    builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm("a@example.org")
    builders.register_and_confirm("b@example.org")
    builders.register(address="c@example.org")
    builders.register_and_confirm("d@example.org")
    with writing() as tx:
        person = builders.attendee("a@example.org")
        registration, _ = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)
    rows = export()
    statuses = [row["status"] for row in rows]
    assert statuses == ["withdrawn", "confirmed", "unconfirmed", "waiting"]
    assert [bool(row["withdrawn_at"]) for row in rows] == [True, False, False, False]


def test_letter_state_is_the_latest_letters(app):
    builders.publish()
    builders.register()
    builders.deliver()
    assert [row["letter_state"] for row in export()] == ["sent"]
    builders.confirm()
    assert [row["letter_state"] for row in export()] == ["owed"]
    with writing() as tx:
        tx.execute(update(Letter).values(state=LetterState.FAILED))
    assert [row["letter_state"] for row in export()] == ["failed"]
    with writing() as tx:
        for letter in outbox.every(tx):
            tx.delete(letter)
    assert [row["letter_state"] for row in export()] == [""]


def test_only_the_discussions_own_attendees_are_exported(app):
    builders.publish()
    builders.publish(builders.file('slug = "air"'))
    builders.register("water", "a@example.org")
    builders.register("air", "b@example.org")
    builders.register("water", "c@example.org")
    assert [row["email"] for row in export("water")] == ["a@example.org", "c@example.org"]
    assert [row["email"] for row in export("air")] == ["b@example.org"]


def fill(discussion_id: int, count: int) -> None:
    """Put `count` registrations straight into the table."""
    ring, at = builders.ring(), datetime(2026, 3, 1, tzinfo=UTC)
    with writing() as tx:
        tx.execute(insert(Registration), [_row(ring, discussion_id, at) for _ in range(count)])


def _row(ring: Any, discussion_id: int, at: datetime) -> dict[str, object]:
    token = new_token()
    attendee = Attendee(token, token, token, "Айгерим", f"{token}@example.org", "КазНУ")
    return {
        "public_id": token,
        "discussion_id": discussion_id,
        "sealed": attendee.sealed(ring),
        "key_id": ring.current,
        "address_index": token_hash(token),
        "token_hash": token_hash(token),
        "calendar_token_hash": token_hash(token),
        "registered_at": at,
        "erase_at": at + timedelta(days=30),
        "language": "en",
    }


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
@pytest.mark.parametrize("steps", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_rows(app, steps):
    discussion = builders.publish()
    fill(discussion.id, steps * exports.ROWS_A_STEP)
    text = csv_lines(exports.attendees(reading, "water"), COLUMNS)
    tracemalloc.start()
    assert len(list(islice(map(len, text), 2 * exports.ROWS_A_STEP))) == 2 * exports.ROWS_A_STEP
    _, early = tracemalloc.get_traced_memory()
    assert sum(1 for _ in text) == (steps - 2) * exports.ROWS_A_STEP + 1
    _, late = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert late < early * 1.2


def test_somebody_can_register_while_an_export_is_read_slowly(app):
    discussion = builders.publish()
    fill(discussion.id, exports.ROWS_A_STEP + 10)
    rows = exports.attendees(reading, "water")
    assert next(rows)["name"] == "Айгерим"
    builders.register()
    assert len(list(rows)) == exports.ROWS_A_STEP + 10


def test_rows_erased_while_an_export_is_read_are_no_fault(app):
    discussion = builders.publish()
    fill(discussion.id, exports.ROWS_A_STEP + 10)
    rows = exports.attendees(reading, "water")
    next(rows)
    with writing() as tx:
        tx.query(Registration).delete()
    assert len(list(rows)) == exports.ROWS_A_STEP - 1


def test_answers_to_a_question_that_is_asked_no_more_are_exported_still(app):
    asked = '\n[[questions]]\nkey = "diet"\nlabel = "What do you eat?"\nkind = "line"\n'
    builders.publish(builders.file() + asked.encode())
    builders.register_and_confirm(answers={"diet": "bread"})
    builders.publish()
    with reading() as tx:
        assert exports.header(tx, "water") == [*exports.COLUMNS, "diet"]
    (row,) = exports.attendees(reading, "water")
    assert row["diet"] == "bread"
