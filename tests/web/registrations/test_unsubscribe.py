"""Attendees who want no more mailings: by one click in a mail program, or on their own page."""

import pytest

from registration import app_context
from registration.database import reading, writing
from registration.links import sign_mailings
from registration.models import Group, Mailing
from registration.services import catalog
from registration.services.mailings import mailings
from registration.services.mailings.mailings import Draft
from registration.services.operations import key_rotation

from ... import builders
from ...desk import invite, signed_in
from ...machine import on_sqlite
from ...visitor import text_of

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
SAID = "Come at six, {{ name }}"


def send_mailing(subject: str = "News", text: str = SAID, *groups: Group) -> None:
    """Queue a mailing to those who have a seat."""
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        typed = Draft(subject, text, groups or (Group.CONFIRMED,))
        kept = mailings.save(tx, discussion, typed, by=1)
        mailings.queue(tx, discussion, kept.public_id, 1, by=1)


@pytest.fixture
def link(app) -> str:
    """The path in a mailing's header; Aigerim and Bolat got one."""
    invite()
    builders.publish(builders.file('join_url = "https://meet.example.org/x"'))
    builders.register_and_confirm(name="Aigerim")
    builders.register_and_confirm("bolat@example.org", name="Bolat")
    send_mailing()
    builders.deliver()
    (letter,) = [it for it in mailing_letters(app) if it["To"] == "aigerim@example.org"]
    return letter["List-Unsubscribe"].strip("<>").removeprefix("http://127.0.0.1:8000")


def mailing_letters(app) -> list:
    return [it for it in builders.kept_letters(app) if it["List-Unsubscribe"]]


def is_stopped(address: str = "aigerim@example.org") -> bool:
    return builders.registration_of(address).mailings_stopped_at is not None


@on_sqlite
def test_one_click_stops_them_without_cookie_or_token_and_no_get_does(app, visitor, link):
    # Mail programs are told of one click only over HTTPS, safe from eavesdroppers (RFC 8058 3.1).
    assert {it["List-Unsubscribe-Post"] for it in mailing_letters(app)} == {None}
    assert visitor.get(link).status_code == 200
    assert not is_stopped()
    for body in ({}, {"List-Unsubscribe": "One-click"}, {"x": "List-Unsubscribe=One-Click"}):
        visitor.client.delete_cookie("session")
        assert visitor.client.post(link, data=body).status_code == 422
        assert not is_stopped()
    send_mailing("Owed")
    visitor.client.delete_cookie("session")
    done = visitor.client.post(link, data=ONE_CLICK)
    assert (done.status_code, done.headers.get("Set-Cookie")) == (200, None)
    assert is_stopped()
    assert not is_stopped("bolat@example.org")
    send_mailing("Later")
    before = len(mailing_letters(app))
    builders.deliver()
    got = [(it["To"], it["Subject"]) for it in mailing_letters(app)[before:]]
    assert got == [("bolat@example.org", "Owed"), ("bolat@example.org", "Later")]
    again = visitor.client.post(link, data=ONE_CLICK, content_type="multipart/form-data")
    assert again.status_code == 200


@on_sqlite
def test_the_link_works_after_a_rotation_and_its_page_has_a_button(app, visitor, link):
    with writing() as tx:
        key_rotation.rotate(tx, app_context.settings().keys, None)
    assert visitor.fill(link).location == link
    assert is_stopped()
    assert "You have stopped them" in text_of(visitor.get(link).text)


@on_sqlite
def test_a_wrong_link_and_one_of_somebody_erased_get_the_same_answer(app, visitor, link):
    person, other = builders.attendee(), builders.attendee("bolat@example.org")
    wrong = sign_mailings(person.public_id, other.token)
    never = visitor.get("/registrations/mailings/never")
    assert never.status_code == 404
    for path in (f"/registrations/mailings/{wrong}", link + "x", link[:-1], f"{link[:-1]}é"):
        assert visitor.get(path).data == never.data
        assert visitor.client.post(path, data=ONE_CLICK).data == never.data
    visitor.press(f"/registrations/{person.token}", "erase")
    assert visitor.get(link).data == never.data
    assert visitor.client.post(link, data=ONE_CLICK).data == never.data


@on_sqlite
def test_the_link_opens_nothing_else_and_the_own_page_has_both_buttons(app, visitor, link):
    own = f"/registrations/{builders.attendee().token}"
    assert builders.attendee().token not in link
    assert builders.attendee().token not in visitor.get(link).text
    assert "Aigerim" not in visitor.get(link).text
    visitor.press(own, "mailings/stop")
    assert is_stopped()
    assert visitor.get(f"{own}.json").get_json()["mailings_stopped_at"]
    assert "You have stopped the letters" in text_of(visitor.get(own).text)
    builders.register(name="Anew")  # registering anew does not take the wish back
    visitor.press(own, "withdraw")
    builders.register()
    own = f"/registrations/{builders.confirm().token}"
    assert is_stopped()
    visitor.press(own, "mailings/resume")
    assert not is_stopped()


@on_sqlite
def test_the_own_page_has_what_was_written_filled_in_for_them_alone(app, visitor):
    invite()
    builders.publish(builders.file('discreet = true\njoin_url = "https://meet.example.org/x"'))
    builders.register_and_confirm(name="<i>Aigerim</i>")
    builders.deliver()
    send_mailing(
        "News of {{ name }}", "Come: {{ join_link }}\n<b>{{ name }}</b> https://a.example/x."
    )
    builders.deliver()
    (letter,) = mailing_letters(app)
    assert letter["Subject"] == "Your registration"
    assert "Come" not in bytes(letter).decode()
    own = f"/registrations/{builders.attendee().token}"
    page = visitor.get(own)
    assert "What the organizers wrote" in page.text
    shown = text_of(page.text)
    assert "News of <i>Aigerim</i>" in shown
    assert "Come: https://meet.example.org/x<b><i>Aigerim</i></b> https://a.example/x." in shown
    assert 'href="https://a.example/x"' in page.text
    assert (
        "Who owns the water"
        not in visitor.get(
            letter["List-Unsubscribe"].strip("<>").removeprefix("http://127.0.0.1:8000")
        ).text
    )
    visitor.press(own, "withdraw")
    assert "meet.example.org" not in visitor.get(own).text  # no seat, no link to join
    with reading() as tx:
        assert tx.query(Mailing).count() == 1


def test_an_address_that_no_database_takes_is_not_there(app, clock, visitor):
    builders.publish()
    asel = signed_in(app, clock)
    for path in ("mailings", "attendees"):
        assert asel.get(f"/organizer/discussions/water/{path}/%00").status_code == 404
    assert visitor.get("/registrations/mailings/%00-x").status_code == 404


@on_sqlite
def test_a_link_of_a_letter_that_was_sent_before_mailings_had_their_name_works(app, visitor, link):
    old = link.replace("/mailings/", "/circulars/")
    assert visitor.get(old).data == visitor.get(link).data
    assert visitor.client.post(old, data=ONE_CLICK).status_code == 200
    assert is_stopped()
