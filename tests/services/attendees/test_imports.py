"""Imports from a CSV: our own export reads back, and every faulty row is told by its line."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from registration import app_context
from registration.database import reading, writing
from registration.models import Question
from registration.services import catalog
from registration.services.attendees import exports, imports
from registration.services.attendees.imports import NoSheet
from registration.services.registrations import self_service
from registration.text import normalize

from ... import builders
from ...machine import on_sqlite
from .hostile_cells import hostile_cells

TIMES = b"name,email,status,registered_at,confirmed_at,withdrawn_at\n"


def sheet(*rows: list[str], separator: str = ",") -> bytes:
    """Return a CSV of these rows."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


def read(content: bytes, slug: str = "water") -> imports.Sheet:
    with reading() as tx:
        questions = exports.questions(tx, catalog.find(tx, slug))
    return imports.read(content, questions, app_context.now())


def bring(content: bytes, slug: str = "water", *, is_told: bool = False) -> imports.Plan:
    """Import a CSV as the desk does, and return what was planned."""
    found = read(content, slug)
    assert found.faults == {}
    with reading() as tx:
        discussion, ring = catalog.find(tx, slug), tx.keys
        plan = imports.plan(tx, discussion, found.rows)
    prepared = imports.prepare(discussion, plan.new, ring=ring, settings=tx.settings, now=tx.now)
    with writing() as tx:
        added = imports.add(tx, slug, prepared, is_told=is_told)
    assert added == len(plan.new)
    return plan


def export(slug: str = "water") -> bytes:
    with reading() as tx:
        names = exports.header(tx, slug)
    return "".join(exports.csv_lines(exports.attendees(reading, slug), names)).encode()


def without(content: bytes, column: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return [{name: cell for name, cell in row.items() if name != column} for row in rows]


def test_our_own_export_imported_again_gives_the_same_rows(app, clock):
    questions = builders.with_questions("seats = 2\naddress_confirmation = true")
    builders.publish(questions)
    answers = {"city": "Алматы", "ask": "Two\nlines; “quoted”", "topics": ["Rivers", "Law"]}
    people = ["=HYPERLINK(1)", "+7 701 123", "'quoted'", "@SUM", "\uff0d1", 'Қайрат, Ә; "Ө"']
    for number, name in enumerate(people):
        address = f"p{number}@example.org"
        builders.register(
            address=address, name=name, affiliation=name, answers=answers | {"rules": True}
        )
        clock.advance(minutes=7)
        if number:
            person = builders.confirm(address)
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)
    before = export()
    builders.publish(builders.with_questions('slug = "again"\nseats = 2'))
    plan = bring(before, "again")
    assert len(plan.new) == 6
    assert without(export("again"), "letter_state") == without(before, "letter_state")
    assert {row["letter_state"] for row in without(export("again"), "")} == {""}
    # And where everybody is there already, nothing changes.
    rows = builders.every_row()
    assert bring(before).known == [2, 4, 6, 8, 10, 12]
    assert builders.every_row() == rows


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_hostile_cells_come_back_as_they_were_typed(separator):
    """Each is read as the form would have stored it."""
    named = [
        {
            "email": f"p{number}@example.org",
            "name": normalize.line(re.sub("[\n\v\u2028]", " ", cell)),
            "ask": normalize.paragraphs(cell),
        }
        for number, cell in enumerate(hostile_cells(200))
    ]
    ask = Question("ask", "What would you ask?", "long", [])
    text = "".join(exports.csv_lines(iter(named), ["email", "name", "ask"], separator))
    found = imports.read(text.encode(), [ask], datetime(2026, 3, 2, tzinfo=UTC))
    assert found.faults == {}
    took_back = [(row.entry.name, row.entry.answers.get("ask", "")) for row in found.rows]
    assert took_back == [(row["name"], row["ask"]) for row in named]


def test_a_bare_list_registers_as_the_form_does_and_tells(app, clock):
    builders.publish()
    plan = bring(sheet(["email", "name"], ["a@example.org", "A"]), is_told=True)
    assert plan.letters == 1
    assert builders.letter_kinds() == ["address_confirmation"]
    builders.deliver()
    builders.confirm("a@example.org")
    builders.publish(builders.file('slug = "open"\naddress_confirmation = false'))
    bring(sheet(["email", "name"], ["a@example.org", "A"]), "open", is_told=True)
    assert builders.registration_of("a@example.org", "open").status.value == "confirmed"
    assert builders.letter_kinds()[2:] == ["confirmation"]


def test_imported_attendees_without_a_seat_wait_in_file_order(app, clock):
    builders.publish(builders.file("seats = 2"))
    builders.register_and_confirm("first@example.org")
    rows = [["name", "email", "status"]]
    rows += [[name, f"{name}@example.org", "confirmed"] for name in ("b", "c", "d")]
    rows.insert(2, ["w", "w@example.org", "waiting"])
    plan = bring(sheet(*rows), is_told=True)
    assert {status.value: count for status, count in plan.counts.items()} == {
        "confirmed": 1,
        "waiting": 3,
    }
    order = [
        builders.registration_of(f"{name}@example.org").queue_position
        for name in ("b", "w", "c", "d")
    ]
    assert order == [None, 1, 2, 3]
    # The next registration waits behind them.
    builders.register_and_confirm("last@example.org")
    assert builders.registration_of("last@example.org").queue_position == 4


@on_sqlite
def test_an_imported_waiting_attendee_gets_a_seat_that_is_left(app, clock):
    builders.publish(builders.file("seats = 3"))
    rows = [["name", "email", "status"]]
    rows += [[it, f"{it}@example.org", it] for it in ("waiting", "confirmed", "unconfirmed")]
    rows.append(["last", "last@example.org", "waiting"])
    plan = bring(sheet(*rows), is_told=True)
    assert {status.value: count for status, count in plan.counts.items()} == {
        "confirmed": 2,
        "unconfirmed": 1,
        "waiting": 1,
    }
    assert builders.registration_of("waiting@example.org").status.value == "confirmed"
    assert builders.registration_of("last@example.org").status.value == "waiting"
    assert sorted(builders.letter_kinds()) == [
        "address_confirmation",
        "confirmation",
        "confirmation",
        "waiting",
    ]


@on_sqlite
def test_a_discussion_that_moves_while_rows_are_sealed_moves_their_erasure(app, clock):
    discussion = builders.publish()
    rows = read(sheet(["name", "email", "status"], ["A", "a@example.org", "confirmed"])).rows
    with reading() as tx:
        prepared = imports.prepare(discussion, rows, ring=tx.keys, settings=tx.settings, now=tx.now)
    builders.publish(builders.file("starts = 2026-05-02T17:00:00\nends = 2026-05-02T18:30:00"))
    with writing() as tx:
        imports.add(tx, "water", prepared, is_told=False)
    assert builders.registration_of("a@example.org").erase_at.date().isoformat() == "2026-06-01"


@on_sqlite
def test_rows_beyond_their_erasure_date_are_not_imported(app, clock):
    builders.publish_first()
    rows = sheet(
        ["name", "email", "status", "registered_at"],
        ["Old", "old@example.org", "confirmed", "2023-11-01T10:00:00Z"],
        ["New", "new@example.org", "confirmed", "2026-03-01 10:00"],
        ["Never", "never@example.org", "unconfirmed", "2026-02-20T10:00:00Z"],
    )
    plan = bring(rows, "bloody-january")
    assert (plan.late, [row.entry.name for row in plan.new]) == ([2, 4], ["New"])


@on_sqlite
@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"email": "nobody"}, "email is not an e-mail address: no single @."),
        ({"name": " \u200b"}, "name is empty; a pseudonym is fine."),
        ({"name": "a\x00b"}, "name holds the character U+0000, which cannot be shown; remove it."),
        ({"name": "x" * 201}, "name has more than 200 characters."),
        ({"status": "maybe"}, "status must be one of unconfirmed, confirmed, waiting, withdrawn."),
        ({"registered_at": "yesterday"}, "registered_at is no time such as 2026-03-02T12:00:00Z."),
        ({"registered_at": "2999-01-01"}, "registered_at lies ahead, or before 1970."),
        ({"registered_at": "0001-01-01T00:00+14:00"}, "registered_at lies ahead, or before 1970."),
        ({"attended": "perhaps"}, "attended must be yes, no or empty."),
        ({"language": "../en"}, "language must be a language tag such as en, ru or kk."),
        ({"seat": "Roof"}, "seat must be among Front; Back."),
        ({"topics": "Rivers; Wine"}, "topics must be among Rivers; Lakes & seas; Law."),
        ({"rules": "perhaps"}, "rules must be yes, no or empty."),
        ({"ask": "x" * 2001}, "ask has more than 2000 characters."),
    ],
)
def test_a_cell_that_cannot_be_taken_is_named_with_its_line(app, clock, row, sentence):
    builders.publish(builders.with_questions())
    good = dict.fromkeys(row, "") | {"name": "A", "email": "a@example.org"}
    bad = good | {"email": "b@example.org"} | row
    found = read(sheet([*good], [*good.values()], [*bad.values()]))
    assert found.faults == {sentence: [3]}


@on_sqlite
@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"name,email\nA,a@example.org\nB,A@Example.org\n", {3: "email is that of line 2 again"}),
        (b"name,email\nA,a@example.org,x\nB\n", {2: "has 3 cells", 3: "has 1 cell,"}),
        (b'name,email\n"A,a@example.org\n', {2: "is not CSV"}),
        (b'name,email\n"A"b,a@example.org\n', {2: "is not CSV"}),
        (b"name,email\n" + b"a" * 200_000 + b",a@example.org\n", {2: "is not CSV"}),
        (TIMES + b"A,a@b.org,confirmed,,,2026-03-01\n", {2: "withdrawn_at is there"}),
        (TIMES + b"A,a@b.org,unconfirmed,,2026-03-01,\n", {2: "confirmed_at is there"}),
        (TIMES + b"A,a@b.org,,2026-03-02,2026-03-01,\n", {2: "confirmed_at lies before"}),
    ],
)
def test_a_faulty_row_is_told_by_its_line(app, content, faults):
    builders.publish()
    found = read(content).faults
    assert {line: sentence for sentence, lines in found.items() for line in lines}.keys() == {
        *faults
    }
    for sentence, (line,) in found.items():
        assert sentence.startswith(faults[line])


@on_sqlite
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line has no column name and no column email"),
        (b"name\nA\n", "no column email"),
        (b"name,email\n", "The file has no rows below its first line."),
        (b"name,email,Telegram\nA,a@example.org,x\n", "The column telegram is not known here"),
        (b"name,email,name\nA,a@example.org,A\n", "The column name stands there twice"),
        (b"name,email\n\xc0\xe9\xe3\xe5,a@example.org\n", "Line 2 is not UTF-8: save"),
        (b"\xff\xfea", "Line 1 is not UTF-16"),
        (b"%PDF-1.4\x00\n\x01", "The file is no text: save it as"),
        (b"a" * 200_000, "The first line is too long"),
        (b"\n" * 300_000, "The first line has no column name"),
        (b"PK\x03\x04\xff\xff", "Line 1 is not UTF-8: save"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_whole(app, content, said):
    builders.publish()
    with pytest.raises(NoSheet, match=said):
        read(content)


@on_sqlite
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_save_it_in_their_own_ways(app, separator, encoding):
    builders.publish()
    rows = sheet(
        ["E-mail".replace("-", ""), "NAME "], ["a@example.org", 'Ә; "b", \tc'], separator=separator
    )
    (row,) = read(rows.decode().encode(encoding)).rows
    assert row.entry.name == 'Ә; "b", c'


@on_sqlite
@pytest.mark.parametrize(
    "content",
    [
        b"name,email\rA,a@example.org\r",
        b"\xef\xbb\xbf\xef\xbb\xbfname,email,,\r\nA,a@example.org,,\r\n",
        b"sep=;\r\n\r\nname;email\r\nA;a@example.org\r\n",
        b"\n,,\nname,email\n\nA,a@example.org",
    ],
    ids=["CR alone", "two BOMs, empty columns", "sep=", "empty lines"],
)
def test_additions_of_spreadsheets_are_ignored(app, content):
    builders.publish()
    (row,) = read(content).rows
    assert (row.entry.name, row.entry.address.sent) == ("A", "a@example.org")


@on_sqlite
def test_lines_are_counted_from_the_beginning_of_the_file(app):
    builders.publish()
    assert [*read(b"sep=,\n\nname,email\nA,b\n").faults.values()] == [[4]]


@on_sqlite
def test_an_answer_that_was_offered_once_reads_back(app):
    builders.publish(builders.with_questions())
    builders.publish(builders.with_questions().replace(b'"Front", "Back"', b'"Left", "Right"'))
    (row,) = read(sheet(["name", "email", "seat"], ["A", "a@example.org", "Back"])).rows
    assert row.entry.answers == {"seat": "Back"}


@on_sqlite
def test_an_import_into_a_cancelled_discussion_sends_nothing(app, clock):
    builders.publish()
    builders.cancel()
    rows = sheet(["name", "email", "status"], ["A", "a@example.org", "confirmed"])
    assert bring(rows, is_told=True).is_on is False
    assert builders.letter_kinds() == []


@on_sqlite
def test_one_mailbox_gets_three_letters_a_day_by_imports_too(app, clock):
    builders.publish()
    rows = [["A", f"victim+{number}@example.org", "confirmed"] for number in range(9)]
    bring(sheet(["name", "email", "status"], *rows), is_told=True)
    assert builders.letter_kinds() == ["confirmation"] * 3


@on_sqlite
def test_a_sheet_of_the_most_rows_is_read_and_a_larger_one_refused(app):
    builders.publish()
    lines = b"".join(b"A,not an address %d\n" % number for number in range(imports.MAX_ROWS))
    found = read(b"name,email\n" + lines)
    assert found.faults == {
        "email is not an e-mail address: no single @.": [*range(2, imports.MAX_ROWS + 2)]
    }
    with pytest.raises(NoSheet, match="more than 10000 rows: split it"):
        read(b"name,email\n" + lines * 10)
    with pytest.raises(NoSheet, match=r"The file has 6\.0 MB; at most 6 MB"):
        read(b"x" * (imports.MAX_BYTES + 1))
