"""An address is proved by a button behind a link that was sent there; by opening it, it is not."""

import pytest

from registration.database import reading, writing
from registration.links import sign_mailings
from registration.models import Registration
from registration.services.registrations import manage

from ... import builders
from ...machine import on_sqlite
from ...mail.test_discreet import everything
from ...services.attendees.test_imports import bring
from ...visitor import text_of

AIGERIM = "aigerim@example.org"
JOIN = "https://meet.example.org/room"
UNASKED = f'address_confirmation = false\njoin_url = "{JOIN}"\nseats = 2'
WHY = "Someone registered this address, and we do not know yet that it is yours."


def letters(app) -> list[str]:
    """Return all that each letter says, which was sent, its calendar entry included."""
    builders.deliver()
    return [everything(letter) for letter in builders.kept_letters(app)]


def is_proved() -> bool:
    return builders.registration_of().address_proved_at is not None


@pytest.fixture
def own(app) -> str:
    """The own page of somebody whom anybody may have registered; letters were sent."""
    builders.publish(builders.file(UNASKED))
    builders.register(name="CANARY", affiliation="CANARY")
    builders.deliver()
    return f"/registrations/{builders.attendee().token}"


def test_without_confirmation_the_first_letter_has_no_name_and_no_link_to_join(app, own):
    (letter,) = letters(app)
    assert "CANARY" not in letter
    assert "meet.example.org" not in letter
    assert f"http://127.0.0.1:8000{own}" in letter


def test_the_own_page_has_what_the_letter_leaves_out_and_says_why(app, visitor, own):
    page = visitor.get(own)
    assert all(said in text_of(page.text) for said in ("CANARY", WHY, "This is my address"))
    assert JOIN in page.text
    assert not is_proved(), "opening a link proves nothing: mail scanners do that too"


def test_the_button_proves_the_address_and_a_complete_letter_follows(app, visitor, own):
    assert visitor.press(own, "prove").status_code == 303
    assert is_proved()
    assert WHY not in text_of(visitor.get(own).text)
    _first, complete = letters(app)
    assert "Hello CANARY," in complete
    assert JOIN in complete
    assert "LOCATION" in complete
    kinds = builders.letter_kinds()
    visitor.client.post(f"{own}/prove", data={})
    assert builders.letter_kinds() == kinds


@on_sqlite
@pytest.mark.parametrize("act", ["change", "mailings/stop", "withdraw"])
def test_any_other_button_of_the_own_page_proves_the_address_too(app, visitor, own, act):
    assert visitor.press(own, act).status_code == 303
    assert is_proved()


@on_sqlite
def test_pressing_unsubscribe_in_a_mail_program_proves_nothing(app, visitor, own):
    person = builders.attendee()
    link = f"/registrations/mailings/{sign_mailings(person.public_id, person.token)}"
    assert visitor.client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not is_proved()


@on_sqlite
def test_confirming_proves_the_address(app):
    builders.publish(builders.file(f'join_url = "{JOIN}"'))
    builders.register_and_confirm(name="Aigerim")
    assert is_proved()
    assert "Hello Aigerim," in letters(app)[-1]


@on_sqlite
def test_an_address_that_was_proved_is_so_after_withdrawing_and_a_new_form(app, visitor, own):
    visitor.press(own, "prove")
    visitor.press(own, "withdraw")
    builders.register(name="Anew")
    assert "CANARY" not in letters(app)[-1]
    builders.confirm()
    assert is_proved()


def test_people_who_are_imported_get_no_name_and_no_link_to_join(app, clock):
    builders.publish(builders.file(f'join_url = "{JOIN}"\nseats = 1'))
    rows = b"name,email,affiliation,status\nCANARY,a@example.org,CANARY,confirmed\n"
    bring(rows + b"CANARY,b@example.org,CANARY,waiting\n", is_told=True)
    sent = letters(app)
    assert len(sent) == 2
    assert not [it for it in sent if "CANARY" in it or "meet.example.org" in it]


@on_sqlite
def test_people_whom_an_organizer_adds_get_no_name_and_no_link_to_join(app):
    builders.publish(builders.file(UNASKED))
    with writing() as tx:
        manage.add(tx, "water", builders.entry(name="CANARY"))
    (letter,) = letters(app)
    assert "CANARY" not in letter
    assert "meet.example.org" not in letter


@on_sqlite
def test_a_later_change_of_the_link_is_told_without_it(app, clock, own):
    builders.publish(builders.file(UNASKED.replace("room", "hall")))
    clock.advance(minutes=6)
    _first, change = letters(app)
    assert "Something has changed" in change
    assert "meet.example.org" not in change


@on_sqlite
def test_a_change_of_address_that_is_confirmed_proves_the_new_one(app, visitor, own):
    visitor.fill(own, action="/change", email="new@example.org")
    with writing() as tx:
        tx.query(Registration).update({"address_proved_at": None})
    builders.deliver()
    (asking,) = [it for it in builders.kept_letters(app) if it["To"] == "new@example.org"]
    lines = asking.get_body(("plain",)).get_content().splitlines()
    (link,) = [line for line in lines if "/registrations/address/" in line]
    assert visitor.fill(link.partition("127.0.0.1:8000")[2]).status_code == 303
    with reading() as tx:
        assert tx.query(Registration).one().address_proved_at
