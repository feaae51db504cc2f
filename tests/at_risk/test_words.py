"""Every word that only an installation at risk shows is translatable too."""

import pytest

from registration.services.attendees.exports import COLUMNS

from .. import builders, desk
from ..machine import on_sqlite
from ..marked import NAMES, SU, untranslated_of_page
from ..visitor import Visitor

DESK = "/organizer/discussions/su"
KEYS = f"{' '.join(COLUMNS)} su city rules en line yes speaker moderator title time page join_link"
pytestmark = [on_sqlite, pytest.mark.usefixtures("marked")]


def untranslated(page) -> list[str]:
    assert page.status_code in {200, 422}
    return untranslated_of_page(page.text, NAMES, KEYS, "")


def test_the_pages_of_attendees(at_risk, clock):
    visitor = Visitor(at_risk, clock)
    builders.publish(SU)
    person = builders.register_and_confirm(slug="su", name="")
    for path in ("/discussions/su/register", f"/registrations/{person.token}", "/privacy"):
        assert untranslated(visitor.get(path)) == []


def test_the_pages_of_the_desk(at_risk, clock):
    builders.publish(SU)
    builders.register_and_confirm(slug="su", name="")
    asel = desk.signed_in(at_risk, clock)
    assert untranslated(asel.get(f"{DESK}/export")) == []  # alone
    desk.signed_in(at_risk, clock, "b@example.org")
    for path in ("/export", "/edit", "/attendees", "/mailings/new"):
        assert untranslated(asel.get(DESK + path)) == []
    wrong = asel.fill(f"{DESK}/export", second_email="", second_code="", password="", code="")
    assert untranslated(wrong) == []
