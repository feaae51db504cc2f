"""flask discussion: publish, cancel, check, list, show and unpublish, as an operator runs them."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from registration.database import reading
from registration.services import catalog

from .. import builders
from ..builders import FIRST, every_row, file
from ..machine import on_sqlite

TITLE = "Kazakhstan\N{RIGHT SINGLE QUOTATION MARK}s Bloody January"
DASH = "\N{EN DASH}"
TIME = f"Thursday, 2 April 2026, 17:00{DASH}18:30 UTC+5 (Asia/Almaty); 12:00{DASH}13:30 UTC"


@pytest.fixture
def run(app: Flask):
    """Return a way to run `flask discussion`."""

    def run(*words: object) -> Result:
        return app.test_cli_runner().invoke(args=["discussion", *map(str, words)])

    return run


@pytest.fixture
def write(tmp_path: Path):
    """Return a way to write a discussion file."""

    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def said(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def slugs() -> list[str]:
    with reading() as tx:
        return [item.slug for item in catalog.list_all(tx)]


def test_publish_says_what_it_did(run, write):
    path = write("water.toml", file())
    assert said(run("publish", path)) == (0, "water: published\n", "")
    assert said(run("publish", path)) == (0, "water: unchanged\n", "")
    path.write_bytes(file('title = "Whose water?"\nends = 2026-04-02T19:00:00'))
    assert said(run("publish", path)) == (0, "water: amended (title, time)\n", "")


def test_publish_takes_several_files(run, write):
    air = write("air.toml", file('slug = "air"\nuid = "air-identity"'))
    result = run("publish", write("water.toml", file()), air, FIRST)
    assert said(result) == (
        0,
        "water: published\nair: published\nbloody-january: published\n",
        "",
    )
    assert slugs() == ["bloody-january", "air", "water"]


def test_a_dry_run_tells_and_changes_nothing(run, write):
    path = write("water.toml", file())
    before = every_row()
    assert said(run("publish", "--dry-run", path)) == (0, "water: would be published\n", "")
    assert every_row() == before
    run("publish", path)
    before = every_row()
    path.write_bytes(file('title = "Whose water?"'))
    assert said(run("publish", "--dry-run", path)) == (0, "water: would be amended (title)\n", "")
    assert every_row() == before


def test_one_bad_file_among_several_publishes_none_and_all_are_told(run, write):
    good = write("good.toml", file())
    bad = write("bad.toml", file('seats = 0\ncolour = "red"', without="title"))
    worse = write("worse.toml", b"slug =\n")
    missing = good.with_name("missing.toml")
    result = run("publish", good, bad, worse, missing, good.parent)
    assert result.exit_code == 1
    assert result.stdout == ""
    told = result.stderr.splitlines()
    known = "known are slug, uid, title, zone, date, starts, ends, seats, contributors, partners, "
    assert told[3].startswith(f"  colour is not known here; {known}")
    del told[3]
    assert told == [
        f"Error: {bad}:",
        "  title is missing; it must be one line of text, in quotes.",
        "  seats must be a whole number from 1 to 1000000.",
        f"{worse}:",
        "  This is not TOML: Invalid value (at line 1, column 7).",
        f"{missing}: No such file or directory.",
        f"{good.parent}: Is a directory.",
        "Nothing was published.",
    ]
    assert slugs() == []


@pytest.mark.parametrize("command", ["publish", "check"])
def test_two_files_with_one_slug_are_refused(run, write, command):
    one, two = write("one.toml", file()), write("two.toml", file('title = "Other"'))
    sentence = "Two of these files have the slug water; each discussion needs its own."
    result = run(command, one, two)
    assert said(result) == (1, "", f"Error: {sentence} Nothing was published.\n")
    assert slugs() == []


def test_a_refused_identity_publishes_none(run, write):
    one = write("one.toml", file('uid = "same-identity"'))
    two = write("two.toml", file('slug = "air"\nuid = "same-identity"'))
    sentence = "air: the uid same-identity belongs to the discussion water."
    assert said(run("publish", one, two)) == (1, "", f"Error: {sentence}\n")
    assert slugs() == []


def test_keep_edits_leaves_an_unpublished_discussion_and_says_so(run, write):
    path = write("water.toml", file())
    run("publish", path)
    assert said(run("unpublish", "water")) == (0, "water: unpublished\n", "")
    before = every_row()
    assert said(run("publish", "--keep-edits", path)) == (
        0,
        (
            "water: not published, because it was edited or taken off since its file was last "
            "published; publish it without --keep-edits to undo that\n"
        ),
        "",
    )
    assert every_row() == before
    assert said(run("publish", path)) == (0, "water: published\n", "")


@on_sqlite
def test_check_reads_and_publishes_nothing(run, write):
    result = run("check", write("water.toml", file()), FIRST)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"water.toml: in order: Who owns the water?, {TIME}",
        f"bloody-january.toml: in order: {TITLE}, Thursday, 7 December 2023",
    ]
    assert slugs() == []


@on_sqlite
def test_list_is_a_table_the_earliest_first(run, write):
    assert said(run("list")) == (0, "slug  status  time  title\n", "")
    run("publish", write("water.toml", file()), FIRST)
    lines = [" ".join(line.split()) for line in run("list").stdout.splitlines()]
    assert lines == [
        "slug status time title",
        f"bloody-january published Thursday, 7 December 2023 {TITLE}",
        f"water published {TIME} Who owns the water?",
    ]


@on_sqlite
def test_list_as_json_is_what_a_script_needs(run, write):
    assert json.loads(run("list", "--json").stdout) == []
    run("publish", write("water.toml", file('uid = "a1b2c3d4"\nseats = 9')))
    assert json.loads(run("list", "--json").stdout) == [
        {
            "slug": "water",
            "uid": "a1b2c3d4",
            "sequence": 0,
            "version": 1,
            "status": "published",
            "cancelled_why": None,
            "title": "Who owns the water?",
            "time": TIME,
            "starts_at": "2026-04-02T12:00:00+00:00",
            "ends_at": "2026-04-02T13:30:00+00:00",
            "published_at": "2026-03-02T12:00:00+00:00",
            "changed_at": "2026-03-02T12:00:00+00:00",
            "seats": 9,
            "page": "http://127.0.0.1:8000/discussions/water",
        }
    ]


@on_sqlite
def test_show_tells_everything_in_words_and_as_json(run):
    run("publish", FIRST)
    words = run("show", "bloody-january").stdout
    assert "subtitle: Protest Motivations, Public Perceptions and Human Rights\n" in words
    result = run("show", "bloody-january", "--json")
    assert "Kazakhstan\N{RIGHT SINGLE QUOTATION MARK}s" in result.stdout
    values = json.loads(result.stdout)
    assert values["uid"] == "b6d0a1f4-7c1e-4a35-9d52-20231207c0de"
    assert [person["name"] for person in values["contributors"]] == [
        "Aldiyar Auyezbek",
        "Kamila Kovyazina",
        "Serik Beissembayev",
        "Yevgeniy Zhovtis",
        "Karlygash Kabatova",
    ]


@on_sqlite
@pytest.mark.parametrize("command", ["show", "unpublish"])
def test_a_slug_that_is_not_there_is_said_so(run, command):
    assert said(run(command, "air")) == (1, "", "Error: There is no discussion air.\n")


@on_sqlite
def test_publish_without_a_file_is_refused(run):
    assert run("publish").exit_code == 2


MOVED = "starts = 2026-04-03T17:00:00\nends = 2026-04-03T18:30:00"


@pytest.fixture
def two(app: Flask, run, write) -> None:
    """Two people have registered for the small discussion."""
    run("publish", write("water.toml", file()))
    for name in ("aigerim", "bolat"):
        builders.register_and_confirm(f"{name}@example.org")


def test_a_dry_run_says_how_many_letters_there_would_be(two, run, write):
    before = every_row()
    done = run("publish", "--dry-run", write("water.toml", file(MOVED)))
    assert (done.exit_code, done.output) == (
        0,
        "water: would be amended (time); letters owed: 2\n",
    )
    assert every_row() == before


@on_sqlite
def test_quietly_nobody_is_written_to(two, run, write):
    before = len(builders.letter_kinds())
    joined = file('join_url = "https://meet.example.org/a"')
    done = run("publish", "--quiet", write("water.toml", joined))
    assert (done.exit_code, done.output) == (0, "water: amended (join_url)\n")
    assert len(builders.letter_kinds()) == before


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        (
            "starts = 2025-04-02T17:00:00\nends = 2025-04-02T18:30:00",
            [],
            "water is still to come, and would be over: correct its time, or publish it",
        ),
        (
            MOVED,
            ["--quiet"],
            "water: attendees would be held for longer than they were promised, and must be told",
        ),
    ],
)
def test_a_slip_is_refused_and_changes_nothing(two, run, write, changes, options, said):
    before = every_row()
    done = run("publish", *options, write("water.toml", file(changes)))
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"Error: {said} ")
    assert every_row() == before


def test_cancel_and_restore_say_what_they_did(two, run):
    done = run("cancel", "water", "--why", "  The  speaker is ill. ")
    assert (done.exit_code, done.output) == (0, "water: cancelled; letters owed: 2\n")
    assert "cancelled_why: The speaker is ill." in run("show", "water").output
    done = run("restore", "water")
    assert (done.exit_code, done.output) == (0, "water: takes place\n")
    done = run("restore", "water")
    assert (done.exit_code, done.stderr) == (1, "Error: water is not cancelled.\n")


@on_sqlite
@pytest.mark.parametrize("why", ["", "   ", "x" * 501, "a\x00b", "\u202ea", "\u200b"])
def test_a_reason_that_is_none_is_refused(two, run, why):
    before = every_row()
    done = run("cancel", "water", "--why", why)
    assert done.exit_code in {1, 2}
    assert done.stderr.startswith(("Error: ", "Usage: "))
    assert every_row() == before


@on_sqlite
def test_a_reason_is_needed(two, run):
    done = run("cancel", "water")
    assert done.exit_code == 2
    assert "Missing option '--why'" in done.stderr


@on_sqlite
def test_publishing_a_cancelled_discussion_says_that_it_stays_so(app, tmp_path):
    builders.publish()
    builders.cancel()
    path = tmp_path / "water.toml"
    path.write_bytes(builders.file('title = "Rivers"'))
    done = app.test_cli_runner().invoke(args=["discussion", "publish", str(path)])
    assert done.output == (
        "water: amended (title); it stays cancelled until `flask discussion restore`\n"
    )
