"""The export in the browser: asked again, logged, and for a partner only what was agreed."""

import csv
import io
from typing import Any

import pytest

from registration.database import reading
from registration.models import AuditEntry, Deed, Role

from ... import builders
from ...desk import PASSWORD, signed_in
from ...machine import on_sqlite
from ...visitor import text_of, tree_of

EXPORT = "/organizer/discussions/water/export"


@pytest.fixture
def people(app, clock, visitor):
    """Four who have agreed to share all, a name, nothing, and all before they withdrew."""
    builders.publish(builders.with_questions("address_confirmation = false"))
    everything, name = builders.AGREED, {"partner": "Aral Fund", "what": ["name"], "why": "Count."}
    for person, shared in (
        ("dina", [everything, name]),
        ("erlan", [name]),
        ("farida", []),
        ("gone", [everything]),
    ):
        builders.register(
            address=f"{person}@example.org",
            name=f"=Қ {person}",
            affiliation="+7 701 1234567",
            shared_with=shared,
            answers={"city": "Almaty"},
        )
    visitor.press(f"/registrations/{builders.attendee('gone@example.org').token}", "withdraw")


def rows(answer, separator: str = ",") -> list[list[str]]:
    assert answer.status_code == 200, text_of(answer.text)
    text = answer.data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def take(somebody, path: str = EXPORT, **fields: Any):
    """Fill in the export's form as it stands there, with the next code."""
    typed = {"password": PASSWORD, "code": somebody.code()} | fields
    return somebody.fill(path, **typed)


def test_an_export_has_the_chosen_columns_and_states_and_is_logged(app, clock, people):
    asel = signed_in(app, clock)
    answer = take(asel, states=["confirmed"], columns=["name", "affiliation", "city"])
    assert answer.status_code == 200, text_of(answer.text)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="water.csv"'
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert rows(answer) == [
        ["name", "affiliation", "city"],
        ["'=Қ dina", "'+7 701 1234567", "Almaty"],
        ["'=Қ erlan", "'+7 701 1234567", "Almaty"],
        ["'=Қ farida", "'+7 701 1234567", "Almaty"],
    ]
    with reading() as tx:
        last = tx.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
    assert (last.deed, last.slug, last.count) == (Deed.EXPORTED, "water", 3)
    assert last.detail == "confirmed: name, affiliation, city"
    assert "attendees exported" in asel.get("/organizer/log").text


@on_sqlite
def test_it_offers_every_column_and_those_who_come(app, clock, people):
    asel = signed_in(app, clock)
    form = {
        name: [
            it.get("value")
            for it in tree_of(asel.get(EXPORT).text).iter("input")
            if it.get("name") == name and it.get("checked") is not None
        ]
        for name in ("columns", "states")
    }
    assert form["states"] == ["confirmed", "waiting"]
    said = text_of(asel.get(EXPORT).text)
    assert "Exports that an administrator saves on the server are deleted after 7 days." in said
    assert form["columns"][:4] == ["registered_at", "status", "name", "email"]
    assert form["columns"][-5:] == ["city", "ask", "seat", "topics", "rules"]


@on_sqlite
@pytest.mark.parametrize(("name", "sign"), [("semicolon", ";"), ("tab", "\t")])
def test_it_is_separated_as_the_spreadsheet_wants_it(app, clock, people, name, sign):
    found = rows(take(signed_in(app, clock), separator=name, columns=["name", "email"]), sign)
    assert found[0] == ["name", "email"]
    assert len(found) == 4


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "wrong password"}, "Password or code is wrong"),
        ({"code": "000000"}, "Password or code is wrong"),
        ({"code": ""}, "Write the code."),
        ({"columns": []}, "Choose at least one."),
        ({"states": []}, "Choose at least one."),
        ({"columns": ["sealed"]}, "Choose one of the answers that are offered."),
        ({"partner": "Nobody"}, "Choose one of the answers that are offered."),
    ],
)
def test_without_password_code_or_choice_nothing_leaves(app, clock, people, fields, said):
    page = take(signed_in(app, clock), **fields)
    assert page.status_code == 422
    assert said in text_of(page.text)
    assert "dina" not in page.text
    assert PASSWORD not in page.text
    with reading() as tx:
        assert tx.query(AuditEntry).filter_by(deed=Deed.EXPORTED).count() == 0


@on_sqlite
def test_a_partners_export_holds_only_the_agreed_data(app, clock, people):
    asel = signed_in(app, clock)
    assert rows(take(asel, partner="PaperLab")) == [
        ["name", "email"],
        ["'=Қ dina", "dina@example.org"],
    ]
    assert rows(take(asel, partner="Aral Fund")) == [
        ["name"],
        ["'=Қ dina"],
        ["'=Қ erlan"],
    ]


@on_sqlite
def test_a_partner_gets_its_own_and_nothing_else(app, clock, people):
    lab = signed_in(app, clock, "lab@example.org", Role.PARTNER, "water", partner="PaperLab")
    assert "Columns" not in text_of(lab.get(EXPORT).text)
    assert rows(take(lab))[1:] == [["'=Қ dina", "dina@example.org"]]
    for other in ({"partner": "Aral Fund"}, {"partner": ""}, {"columns": ["city"]}):
        assert take(lab, **other).status_code == 422


@on_sqlite
def test_of_a_discussion_of_others_there_is_no_export(app, clock, people):
    builders.publish_first()
    somebody = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "bloody-january")
    missing = somebody.get("/organizer/discussions/never/export")
    assert missing.status_code == 404
    assert somebody.get(EXPORT).data == missing.data
    assert somebody.client.post(EXPORT, data={}).data == missing.data


@on_sqlite
def test_a_partner_that_is_not_named_any_more_gets_nothing(app, clock, people):
    lab = signed_in(app, clock, "lab@example.org", Role.PARTNER, "water", partner="PaperLab")
    builders.publish(builders.file("address_confirmation = false"))
    assert lab.get(EXPORT).status_code == 404
    assert lab.client.post(EXPORT, data={}).status_code == 404
