"""The overview: the numbers of one's discussions; the audit log, for administrators."""

from datetime import date

import pytest

from registration.database import reading, writing
from registration.models import Deed, Role
from registration.server import http_server
from registration.services import audit_log, catalog
from registration.services.attendees import statistics

from ... import builders
from ...desk import ASEL, signed_in
from ...machine import on_sqlite
from ...visitor import text_of, tree_of

WATER = "/organizer/discussions/water"


@pytest.fixture
def people(app, clock, visitor):
    """Two seats, taken; one waits, one has withdrawn, one has not confirmed for days."""
    builders.publish(builders.file("seats = 2"))
    gone = builders.register_and_confirm("gone@example.org")
    visitor.press(f"/registrations/{gone.token}", "withdraw")
    builders.register(address="unconfirmed@example.org")
    clock.advance(days=3)
    builders.register_and_confirm("seated@example.org")
    for name in ("first", "second"):
        builders.register_and_confirm(f"{name}@example.org")
    builders.deliver()


def numbers(page: str) -> dict[str, str]:
    """Return what the page counts."""
    (listed,) = [it for it in tree_of(page).iter("dl") if it.get("class") == "numbers"]
    words = ["".join(it.itertext()) for kind in ("dt", "dd") for it in listed.iter(kind)]
    return dict(zip(words[: len(words) // 2], words[len(words) // 2 :], strict=True))


def test_the_numbers_are_those_of_the_database(app, clock, people):
    asel = signed_in(app, clock)
    counted = numbers(asel.get(WATER).text)
    assert counted == {
        "Registered": "5",
        "Confirmed": "2 of 2 seats",
        "Not confirmed yet": "1",
        "Waiting": "1",
        "Withdrawn": "1",
        "Letters owed": "0",
        "Letters sent": "5",
        "Letters failed": "0",
    }
    assert numbers(asel.get("/organizer/").text) == counted


@on_sqlite
def test_the_days_are_drawn_and_told_in_words_and_as_a_table(app, clock, people):
    page = signed_in(app, clock).get(WATER).text
    assert page.count("<rect") == 4
    words = "5 registrations from Monday, 2 March 2026 to Thursday, 5 March 2026; most, 3, on"
    assert words in text_of(page)
    assert f'aria-label="{words}' in page
    with reading() as tx:
        spans = statistics.count_by_day(tx, catalog.find(tx, "water"))
    assert [(span.first, span.count) for span in spans] == [
        (date(2026, 3, 2), 2),
        (date(2026, 3, 3), 0),
        (date(2026, 3, 4), 0),
        (date(2026, 3, 5), 3),
    ]


@on_sqlite
def test_many_days_are_drawn_by_week(app, clock):
    builders.publish(builders.file('registration = "open"'))
    for number in range(3):
        builders.register(address=f"a{number}@example.org")
        clock.advance(days=40)
    with reading() as tx:
        spans = statistics.count_by_day(tx, catalog.find(tx, "water"))
    assert {(span.last - span.first).days for span in spans} == {6}
    assert (sum(span.count for span in spans), len(spans)) == (3, 12)


@on_sqlite
def test_a_discussion_of_others_is_the_same_404_as_none(app, clock, people):
    builders.publish_first()
    builders.publish(builders.with_questions('slug = "rivers"'))
    organizer = signed_in(app, clock, ASEL, Role.ORGANIZER, "bloody-january")
    partner = signed_in(app, clock, "lab@example.org", Role.PARTNER, "rivers", partner="PaperLab")
    missing = organizer.get("/organizer/discussions/never")
    assert missing.status_code == 404
    assert organizer.get(WATER).data == missing.data
    assert organizer.get("/organizer/log").data == missing.data
    assert organizer.get("/organizer/discussions/bloody-january").status_code == 200
    for path in (WATER, "/organizer/discussions/rivers", "/organizer/log"):
        assert partner.get(path).status_code == 404


@on_sqlite
def test_the_pages_say_which_calendars_follow_and_until_when_data_is_held(
    app, clock, visitor, people
):
    visitor.get("/discussions.ics", User_Agent="Google-Calendar-Importer")

    http_server._write_counts(app)
    said = text_of(signed_in(app, clock).get(WATER).text)
    assert "Google Calendar" in said
    assert "Data is erased from 5 March 2026 to 2 May 2026." in said


@on_sqlite
def test_the_audit_log_names_who_did_it_page_by_page(app, clock):
    asel = signed_in(app, clock)
    said = asel.get("/organizer/log").text
    rows = [
        ["".join(cell.itertext()).strip() for cell in row.iter("td")][1:]
        for row in tree_of(said).iter("tr")
    ]
    assert ["command line", "organizer added", ASEL] in rows
    assert [ASEL, "signed in", ""] in rows
    with writing() as tx:
        for _ in range(audit_log.ENTRIES_A_PAGE):
            audit_log.note(tx, Deed.SIGNED_OUT, by=1)
    page = asel.get("/organizer/log").text
    assert page.count("<tr>") == audit_log.ENTRIES_A_PAGE + 1
    (earlier,) = [link.get("href") for link in tree_of(page).iter("a") if link.text == "Earlier"]
    assert text_of(asel.get(earlier).text).count("organizer added") == 1


@on_sqlite
def test_titles_and_names_are_shown_as_text(app, clock):
    builders.publish(builders.file('title = "<script>alert(1)</script> {{7*7}}"'))
    page = signed_in(app, clock).get(WATER).text
    assert "<script>alert" not in page
    assert "{{7*7}}" in page
