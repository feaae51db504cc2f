"""With AT_RISK an export at the desk needs a second organizer's code."""

import pytest
from flask import Flask

from registration.database import reading, writing
from registration.models import AuditEntry, Deed, Role
from registration.services.organizers import accounts, authentication, totp
from registration.text import addresses

from .. import builders, desk
from ..desk import ASEL, PASSWORD, Desk
from ..machine import on_sqlite
from ..visitor import text_of

EXPORT = "/organizer/discussions/water/export"
ALONE = "On this site an export needs two organizers, and nobody else could agree to it."
WRONG = "Password or code is wrong"


@pytest.fixture
def asel(at_risk: Flask, clock) -> Desk:
    builders.publish(builders.with_questions())
    builders.register_and_confirm(shared_with=[builders.AGREED])
    return desk.signed_in(at_risk, clock)


@pytest.fixture
def second(asel: Desk, at_risk: Flask, clock) -> Desk:
    return desk.signed_in(at_risk, clock, "bolat@example.org", Role.ORGANIZER, "water")


def take(first: Desk, second: Desk, **fields: str):
    """Fill the export's form in, with the next code of each; `fill` takes ten seconds."""
    code = first.code()
    typed = {
        "password": PASSWORD,
        "code": code,
        "second_email": second.address,
        "second_code": totp.code_at(second.key, first.clock.now),
    }
    return first.fill(EXPORT, **(typed | fields))


def entries() -> list[AuditEntry]:
    with reading() as tx:
        return list(tx.query(AuditEntry).filter_by(deed=Deed.EXPORTED))


def id_of(address: str) -> int:
    with reading() as tx:
        return accounts.find(tx, addresses.parse(address)).id


def test_two_organizers_export_and_the_log_names_both(asel, second):
    answer = take(asel, second)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv"), text_of(answer.text)
    assert "aigerim@example.org" in answer.text
    (entry,) = entries()
    assert (entry.organizer_id, entry.subject_id) == (id_of(ASEL), id_of(second.address))
    log = text_of(asel.get("/organizer/log").text)
    assert "water, bolat@example.org: 1" in log


@on_sqlite
@pytest.mark.parametrize(
    "fields",
    [
        {"second_code": "000000"},
        {"second_email": "nobody@example.org"},
        {"code": "000000"},
        {"password": "x" * 20},
    ],
)
def test_neither_alone_exports(asel, second, fields):
    answer = take(asel, second, **fields)
    assert (answer.status_code, WRONG in answer.text) == (422, True)
    assert "aigerim" not in answer.text
    assert entries() == []


@on_sqlite
def test_without_the_fields_of_the_second_nothing_is_exported(asel, second):
    answer = take(asel, second, second_email="", second_code="")
    assert answer.status_code == 422
    assert "Write the address of the second organizer." in answer.text


@on_sqlite
def test_nobody_is_their_own_second(asel, second, clock):
    answer = take(asel, asel)
    assert (answer.status_code, WRONG in answer.text) == (422, True)


@on_sqlite
def test_a_code_counts_once_and_a_recovery_code_never(asel, second, clock):
    answer = take(asel, second, second_code=second.recovery[0])
    assert answer.status_code == 422
    used = totp.code_at(second.key, clock.now)
    assert take(asel, second).status_code == 200
    assert take(asel, second, second_code=used).status_code == 422
    with reading() as tx:
        identity = accounts.find(tx, addresses.parse(second.address)).identity(tx.keys)
    assert len(identity.recovery_hashes) == len(second.recovery)


@on_sqlite
def test_wrong_codes_of_the_second_are_limited_and_logged(asel, second, clock):
    for _ in range(authentication.WRONG_CODES_AN_HOUR):
        assert take(asel, second, second_code="000000").status_code == 422
    assert take(asel, second).status_code == 422  # right, and too late
    with reading() as tx:
        tried = tx.query(AuditEntry).filter_by(deed=Deed.CODES_TRIED).all()
    assert {entry.subject_id for entry in tried} == {id_of(second.address)}
    clock.advance(hours=1, minutes=5)
    assert asel.sign_in().status_code == 303
    assert take(asel, second).status_code == 200


@on_sqlite
def test_a_wrong_password_of_the_first_tries_no_code_of_the_second(asel, second):
    take(asel, second, password="x" * 20, second_code="000000")
    with reading() as tx:
        assert tx.query(AuditEntry).filter_by(deed=Deed.CODES_TRIED).count() == 0


@on_sqlite
@pytest.mark.parametrize(("role", "partner"), [(Role.ORGANIZER, None), (Role.PARTNER, "PaperLab")])
def test_an_organizer_without_rights_is_no_second(asel, at_risk, clock, role, partner):
    builders.publish(builders.file('slug = "rivers"'))
    slug = "water" if partner else "rivers"
    other = desk.signed_in(at_risk, clock, "c@example.org", role, slug, partner=partner)
    assert ALONE in text_of(asel.get(EXPORT).text)
    desk.signed_in(at_risk, clock, "d@example.org")  # an administrator, so that there is a form
    answer = take(asel, other)
    assert (answer.status_code, WRONG in answer.text) == (422, True)


@on_sqlite
def test_alone_an_organizer_is_told_what_to_do(asel, at_risk, clock):
    desk.invite("invited@example.org", Role.ADMINISTRATOR)  # who has not opened the link yet
    page = asel.get(EXPORT).text
    assert ALONE in text_of(page)
    assert "second_code" not in page
    bolat = desk.signed_in(at_risk, clock, "bolat@example.org")
    assert "second_code" in asel.get(EXPORT).text
    with writing() as tx:
        accounts.remove(tx, addresses.parse(bolat.address))
    assert ALONE in text_of(asel.get(EXPORT).text)


def test_a_partner_needs_an_organizer_too(asel, second, at_risk, clock):
    partner = desk.signed_in(
        at_risk, clock, "p@example.org", Role.PARTNER, "water", partner="PaperLab"
    )
    assert take(partner, second, second_code="000000").status_code == 422
    assert take(partner, second).status_code == 200


@on_sqlite
def test_elsewhere_one_organizer_is_enough(app, clock):
    builders.publish()
    asel = desk.signed_in(app, clock)
    assert "second_code" not in asel.get(EXPORT).text
    assert asel.fill(EXPORT, password=PASSWORD, code=asel.code()).status_code == 200
    assert [entry.subject_id for entry in entries()] == [None]
