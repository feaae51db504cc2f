"""With AT_RISK every discussion is discreet, whatever its file says."""

import ast
from pathlib import Path

import pytest

from registration import app_context
from registration.database import writing
from registration.discussion_file.writer import write
from registration.models import Content
from registration.services.registrations import self_service

from .. import builders, desk
from ..machine import on_sqlite
from ..visitor import text_of

PACKAGE = Path(__file__).parent.parent.parent / "registration"
# Modules that handle what the announcement states; all others ask `is_discreet`.
STATED = {"content.py", "writer.py", "draft_changes.py"}
EVIDENCE = "neither sender, subject nor calendar entry names it"


def test_no_module_decides_by_what_the_announcement_states():
    readers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "discreet"
    }
    templates = (PACKAGE.parent / "templates").rglob("*.html")
    assert readers == STATED
    assert [path.name for path in templates if "content.discreet" in path.read_text()] == []


@on_sqlite
def test_letter_invitation_and_calendar_tell_nothing(at_risk, visitor_at_risk, clock):
    builders.publish(builders.file('join_url = "https://meet.example.org/room"'))
    person = builders.register_and_confirm()
    clock.advance(minutes=5)
    builders.deliver()
    letters = builders.kept_letters(at_risk)
    calendar = visitor_at_risk.get(f"/registrations/calendar/{person.calendar_token}.ics").text
    withdrawn = visitor_at_risk.get(f"/registrations/{person.token}/cancellation.ics").text
    said = calendar + withdrawn + "".join(str(letter) for letter in letters)
    parts = [part for letter in letters for part in letter.walk() if not part.is_multipart()]
    said += "".join(part.get_payload(decode=True).decode() for part in parts)
    assert letters
    assert "Online meeting" in calendar
    for word in ("water", "Saule", "Aral", "Hydrologist"):
        assert word.casefold() not in said.casefold()


@on_sqlite
def test_form_and_desk_say_so(at_risk, visitor_at_risk, clock):
    builders.publish()
    assert EVIDENCE in text_of(visitor_at_risk.get("/discussions/water/register").text)
    asel = desk.signed_in(at_risk, clock)
    page = text_of(asel.get("/organizer/discussions/water/edit").text)
    assert "This site does so for every discussion, whatever is ticked here." in page
    page = text_of(asel.get("/organizer/discussions/water/mailings/new").text)
    assert "This discussion is discreet" in page


@on_sqlite
def test_the_announcement_stays_what_its_file_says(at_risk):
    found = builders.publish()
    assert "discreet = false" in write(found.announcement)


def test_switched_on_later_a_withdrawal_takes_the_named_entry_out(at_risk, app_with, clock):
    # The same installation with AT_RISK off, as it was before.
    with app_with().app_context():
        uid = builders.publish().uid
        token = builders.register_and_confirm().token
        clock.advance(minutes=5)
        builders.deliver()
    before = app_with()
    with app_with(AT_RISK=True).app_context():
        with writing() as tx:
            registration, _discussion = self_service.by_token(tx, token)
            self_service.withdraw(tx, registration)
        clock.advance(minutes=5)
        builders.deliver()
    named, last = builders.kept_letters(before)
    entries = [
        part.get_payload(decode=True).decode()
        for letter in (named, last)
        for part in letter.walk()
        if part.get_content_type() == "text/calendar"
    ]
    assert ["METHOD:REQUEST" in entries[0], "METHOD:CANCEL" in entries[-1]] == [True, True]
    assert all(uid in entry for entry in entries)
    assert ["Who owns the water" in entry for entry in (entries[0], entries[-1])] == [True, False]
    assert last["Subject"] == "Your registration"


@pytest.mark.parametrize("stated", [True, False])
def test_switched_off_again_the_file_decides(app_with, stated):
    with app_with().app_context():
        found = builders.publish(builders.file(f"discreet = {str(stated).lower()}"))
        content: Content = found.content
        assert content.is_discreet(app_context.settings()) is stated
