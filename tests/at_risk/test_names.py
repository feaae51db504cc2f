"""Names on the form: required, optional or not asked; with AT_RISK the default is not asked."""

import pytest

from registration.database import reading
from registration.discussion_file import read
from registration.mail import placeholders
from registration.models.content import digest
from registration.services.attendees import exports, imports

from .. import builders, desk
from ..machine import on_sqlite
from ..visitor import Visitor, text_of

FORM = "/discussions/water/register"
NOBODY = {"name": "", "title": "Water"}


def has_field(page: str) -> bool:
    return 'name="name"' in page


@on_sqlite
@pytest.mark.parametrize(
    ("rule", "asks"), [("", False), ("required", True), ("optional", True), ("none", False)]
)
def test_at_risk_the_form_asks_only_if_the_discussion_does(at_risk, visitor_at_risk, rule, asks):
    builders.publish(builders.file(f'names = "{rule}"' if rule else ""))
    assert has_field(visitor_at_risk.get(FORM).text) is asks


@on_sqlite
@pytest.mark.parametrize(
    ("rule", "asks"), [("", True), ("required", True), ("optional", True), ("none", False)]
)
def test_elsewhere_the_form_asks_unless_the_discussion_says_no(app, visitor, rule, asks):
    builders.publish(builders.file(f'names = "{rule}"' if rule else ""))
    assert has_field(visitor.get(FORM).text) is asks


@on_sqlite
def test_an_optional_name_may_stay_empty_and_a_required_one_may_not(app, visitor):
    builders.publish(builders.file('names = "optional"'))
    assert visitor.fill(FORM, name="", email="a@example.org").status_code == 303
    assert builders.attendee("a@example.org").name == ""
    builders.publish(builders.file('names = "required"\nslug = "rivers"'))
    page = visitor.fill("/discussions/rivers/register", name="", email="a@example.org")
    assert (page.status_code, "Write a name" in page.text) == (422, True)


def registered(visitor: Visitor, app, clock) -> str:
    """Register without a name, confirm, and return the text of the confirmation."""
    assert visitor.fill(FORM, email="a@example.org").status_code == 303
    builders.confirm("a@example.org")
    clock.advance(minutes=5)
    builders.deliver()
    return builders.kept_letters(app)[-1].get_body(("plain",)).get_content()


@on_sqlite
def test_without_a_name_the_letter_greets_and_the_pages_show_the_address(app, visitor, clock):
    builders.publish(builders.file('names = "none"'))
    assert "Hello,\r\n" in registered(visitor, app, clock)
    person = builders.attendee("a@example.org")
    own = text_of(visitor.get(f"/registrations/{person.token}").text)
    assert "Change address or answers" in own
    assert " Name " not in own
    asel = desk.signed_in(app, clock)
    table = asel.get("/organizer/discussions/water/attendees").text
    assert "Choose a@example.org" in table
    assert ">a@example.org</a>" in table
    public_id = builders.registration_of("a@example.org").public_id
    page = asel.get(f"/organizer/discussions/water/attendees/{public_id}").text
    assert "<h1>a@example.org</h1>" in page


@on_sqlite
def test_without_names_organizers_add_and_import_by_address_alone(app, clock):
    builders.publish(builders.file('names = "none"'))
    asel = desk.signed_in(app, clock)
    added = asel.fill("/organizer/discussions/water/attendees/add", email="b@example.org")
    assert added.status_code == 303
    rows = list(exports.attendees(reading, "water"))
    names = ["name", "email"]
    written = "".join(exports.csv_lines(iter(rows), names))
    assert written.endswith("name,email\r\n,b@example.org\r\n")
    sheet = imports.read(written.encode(), [], clock.now, needs_name=False)
    assert [row.entry.name for row in sheet.rows] == [""]
    assert imports.read(written.encode(), [], clock.now).faults


@on_sqlite
def test_a_partner_is_not_promised_a_name_that_nobody_gives(at_risk, visitor_at_risk):
    builders.publish(builders.with_questions())
    page = text_of(visitor_at_risk.get(FORM).text)
    assert "May PaperLab have your data?" in page
    assert "Yes: e-mail" in page
    assert "Aral Fund" not in page  # it asks for the name alone


@on_sqlite
def test_a_name_given_before_can_be_seen_changed_and_taken_away(at_risk, visitor_at_risk):
    builders.publish()
    person = builders.register_and_confirm()  # by the service, with a name
    path = f"/registrations/{person.token}"
    assert "Айгерим" in visitor_at_risk.get(path).text
    assert visitor_at_risk.fill(path, "/change", name="").status_code == 303
    assert builders.attendee().name == ""
    assert not has_field(visitor_at_risk.get(path).text)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {{ name }},\nwelcome", "Hello,\nwelcome"),
        ("Dear {{name}}!", "Dear!"),
        ("{{ name }}, we begin.", "we begin."),
        ("{{ name }}", ""),
        ("About {{ title }}", "About Water"),
    ],
)
def test_a_text_without_a_name_has_no_hole_where_it_would_stand(text, filled):
    assert placeholders.fill(text, NOBODY) == filled
    said = "\n".join(
        "".join(piece.text for piece in line) for line in placeholders.paragraphs(text, NOBODY)[0]
    )
    assert said == filled


def test_the_field_changes_no_digest_that_an_older_release_stored():
    stated = read(builders.file())
    older = stated.as_json()
    del older["content"]["names"]
    assert stated.digest == digest(older)
    assert read(builders.file('names = "none"')).digest != stated.digest


@on_sqlite
@pytest.mark.parametrize("rule", ["required", "optional", "none", ""])
def test_the_form_of_a_discussion_carries_the_rule(app, clock, rule):
    builders.publish(builders.file(f'names = "{rule}"' if rule else ""))
    asel = desk.signed_in(app, clock)
    page = asel.get("/organizer/discussions/water/edit").text
    assert f'name="names" value="{rule}" checked' in page
    asel.fill("/organizer/discussions/water/edit", names="optional")
    review = text_of(asel.get("/organizer/discussions/water/review").text)
    assert ("whoever likes enters one" in review) is (rule != "optional")
