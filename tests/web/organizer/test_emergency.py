"""Erase everybody now, and sign everybody out: for administrators, by password, code and a tick."""

import csv
from pathlib import Path

import pytest
from flask import Flask

from registration import app_context
from registration.database import reading, writing
from registration.models import (
    AuditEntry,
    Deed,
    Export,
    Group,
    Letter,
    LetterState,
    Mailing,
    Role,
    SignIn,
)
from registration.services.attendees import export_files
from registration.services.attendees.export_records import Source
from registration.services.erasure import erasures, everybody, ledger
from registration.services.mailings import mailings
from registration.services.mailings.mailings import Draft
from registration.worker import housekeeping, loop

from ... import builders
from ...desk import PASSWORD, Desk, signed_in
from ...machine import on_sqlite
from ...visitor import text_of

PAGE = "/organizer/emergency"
PEOPLE = 5


@pytest.fixture
def asel(app: Flask, clock) -> Desk:
    """An administrator, and five registrations in each of two discussions."""
    for slug in ("water", "rivers"):
        builders.publish(builders.file(f'slug = "{slug}"'))
        for number in range(PEOPLE):
            builders.register_and_confirm(f"a{number}@example.org", slug)
    return signed_in(app, clock)


def erase(asel: Desk, scope: str = "*", **fields: str):
    typed = {"scope": scope, "password": PASSWORD, "sure": "y"} | fields
    return asel.fill(PAGE, "/erase", **({"code": asel.code()} | typed))


def counts() -> dict[str, int]:
    with reading() as tx:
        return {item.discussion.slug: item.registrations for item in everybody.count(tx)}


def entries(deed: Deed) -> list[tuple[str | None, int | None]]:
    with reading() as tx:
        return [(row.slug, row.count) for row in tx.query(AuditEntry).filter_by(deed=deed)]


def write_export(path: Path, slug: str) -> None:
    source = Source(reading, writing, app_context.settings().keys)
    export_files.write(source, slug, path, ["email"], ",", app_context.now())


def test_the_page_says_how_many_before_it_erases_everybody(asel):
    said = text_of(asel.get(PAGE).text)
    assert "Everybody, of all discussions (10)" in said
    assert "Who owns the water? (5)" in said
    answer = erase(asel)
    assert answer.status_code == 303
    assert "Done: 10 registrations were deleted for good." in text_of(
        asel.get(answer.location).text
    )
    assert counts() == {"water": 0, "rivers": 0}
    assert entries(Deed.EVERYBODY_ERASED) == [(None, 10)]
    with reading() as tx:
        assert tx.query(Letter).filter(Letter.registration_id.is_not(None)).count() == 0
        assert not everybody.has_marked(tx)


def test_one_discussion_is_erased_and_the_others_stay(asel):
    assert erase(asel, "water").status_code == 303
    assert counts() == {"water": 0, "rivers": PEOPLE}
    assert entries(Deed.EVERYBODY_ERASED) == [("water", PEOPLE)]


@on_sqlite
def test_exports_letters_and_mailings_go_and_the_ledger_knows_each(asel, app, tmp_path):
    written = tmp_path / "water.csv"
    write_export(written, "water")
    write_export(tmp_path / "rivers.csv", "rivers")
    with writing() as tx:
        found = builders.catalog.find(tx, "water")
        draft = Draft("Dear all", "Bring water.", (Group.CONFIRMED,))
        mailings.save(tx, found, draft, by=1)
    builders.deliver()
    folder = app.extensions["settings"].mail.folder
    assert list(folder.rglob("*:2,*")) or list(folder.rglob("new/*"))
    before = {builders.registration_of(f"a{n}@example.org").public_id for n in range(PEOPLE)}
    erase(asel, "water")
    assert not written.exists()
    with (tmp_path / "rivers.csv").open(encoding="utf-8-sig") as opened:
        assert len(list(csv.DictReader(opened))) == PEOPLE
    assert before <= ledger.read(app_context.settings().keys)
    assert len(builders.kept_letters(app)) == PEOPLE  # those of rivers
    with reading() as tx:
        assert tx.query(Mailing).count() == 0
        assert tx.query(Export).count() == 1


@pytest.mark.parametrize(
    "fields",
    [{"password": "x" * 20}, {"code": "000000"}, {"sure": ""}, {"scope": ""}, {"scope": "nowhere"}],
)
@on_sqlite
def test_without_password_code_tick_and_choice_nobody_is_erased(asel, fields):
    answer = erase(asel, **fields)
    assert answer.status_code == 422
    assert counts() == {"water": PEOPLE, "rivers": PEOPLE}
    assert entries(Deed.EVERYBODY_ERASED) == []


@on_sqlite
def test_a_request_without_its_token_does_nothing(asel):
    typed = {"scope": "*", "password": PASSWORD, "code": asel.code(), "sure": "y"}
    assert asel.client.post(f"{PAGE}/erase", data=typed).status_code != 303
    assert asel.client.post(f"{PAGE}/sign-out", data={"everybody": "y"}).status_code == 422
    assert counts() == {"water": PEOPLE, "rivers": PEOPLE}


def test_the_worker_finishes_a_request_that_was_cut(asel, monkeypatch):
    monkeypatch.setattr(erasures, "REGISTRATIONS_A_BATCH", 2)
    with writing() as tx:
        assert everybody.mark(tx, None) == 2 * PEOPLE
    housekeeping.erase_marked(0.0)  # no time at all
    said = text_of(asel.get(PAGE).text)
    assert "10 registrations are left" in said
    with writing() as tx:
        everybody.erase_marked(tx, letters=None)  # and one batch before a kill
    assert "8 registrations are left" in text_of(asel.get(PAGE).text)
    loop.run_housekeeping()
    assert counts() == {"water": 0, "rivers": 0}
    assert "We are deleting people" not in text_of(asel.get(PAGE).text)


def test_no_letter_goes_out_once_everybody_is_marked(asel, app):
    with writing() as tx:
        everybody.mark(tx, "water")
    with reading() as tx:
        owed = {
            letter.registration_id for letter in tx.query(Letter).filter_by(state=LetterState.OWED)
        }
    assert len(owed) == PEOPLE  # of rivers
    assert loop.deliver_due() == PEOPLE


def test_a_registration_after_the_mark_stays(asel, clock):
    with writing() as tx:
        everybody.mark(tx, "water")
    clock.advance(minutes=2)
    builders.register_and_confirm("later@example.org")
    housekeeping.erase_marked()
    assert counts() == {"water": 1, "rivers": PEOPLE}


@on_sqlite
def test_a_wrong_clock_does_not_delay_it(asel, clock):
    housekeeping.run_hourly()
    clock.advance(days=40)
    with writing() as tx:
        everybody.mark(tx, "water")
    housekeeping.run_hourly()
    assert counts()["water"] == 0


def test_signing_everybody_out_ends_every_session_and_ones_own(asel, app, clock):
    bolat = signed_in(app, clock, "bolat@example.org", Role.ORGANIZER, "water")
    assert bolat.get("/organizer/").status_code == 200
    assert asel.fill(PAGE, "/sign-out").status_code == 422  # without the tick
    answer = asel.fill(PAGE, "/sign-out", everybody="y")
    assert answer.location.startswith("/organizer/sign-in")
    for desk in (asel, bolat):
        assert desk.get("/organizer/").status_code == 303
    with reading() as tx:
        assert tx.query(SignIn).count() == 0
    assert entries(Deed.EVERYBODY_SIGNED_OUT) == [(None, 2)]
    assert asel.sign_in().status_code == 303
    assert "everybody signed out" in text_of(asel.get("/organizer/log").text)


@on_sqlite
@pytest.mark.parametrize("role", [Role.ORGANIZER, Role.PARTNER])
def test_only_administrators_find_the_page(asel, app, clock, role):
    builders.publish(builders.with_questions())
    partner = "PaperLab" if role is Role.PARTNER else None
    somebody = signed_in(app, clock, "b@example.org", role, "water", partner=partner)
    assert somebody.get(PAGE).status_code == 404
    assert "In an emergency" not in somebody.get("/organizer/").text
    assert "In an emergency" in asel.get("/organizer/").text
