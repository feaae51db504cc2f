"""A button confirms what its page showed: forms of others, changes and promotions in between."""

from random import Random

import pytest

from registration.database import writing
from registration.links import sign_mailings, sign_new_address
from registration.models import RegistrationStatus, address_index
from registration.services.registrations import self_service
from registration.text import addresses

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite
from ...visitor import Browser, form_of, text_of

AIGERIM = "aigerim@example.org"
CHANGED = "This page has changed since you opened it, so nothing was done."
AGREED = "You agreed to share"


def test_a_form_between_look_and_press_changes_nothing_that_is_confirmed(app, visitor):
    builders.publish(builders.with_questions())
    builders.register(name="Aigerim")
    own = f"/registrations/{builders.attendee().token}"
    page = visitor.get(own).text
    builders.register(name="Mallory", answers={"city": "Hers"}, shared_with=[builders.AGREED])
    target, fields = form_of(page, "/confirm")
    assert visitor.client.post(target, data=fields).status_code == 303
    held = builders.attendee()
    assert (held.name, held.answers, held.shared_with) == ("Aigerim", {}, [])
    assert builders.registration_of().status is RegistrationStatus.CONFIRMED


@on_sqlite
def test_an_older_link_says_so_and_leads_to_the_newer(app, visitor):
    builders.publish()
    builders.register(name="Aigerim")
    builders.register(name="Anew")
    older, newer = (f"/registrations/{token}" for token in builders.link_tokens())
    page = visitor.get(older).text
    assert "A newer form was sent for this address. This page shows an older one." in text_of(page)
    assert "Aigerim" in page
    assert f'href="{newer}"' in page
    page = visitor.get(newer).text
    assert "Anew" in page
    assert "newer form" not in page


@on_sqlite
def test_the_other_links_say_that_a_form_was_confirmed_and_lead_on(app, visitor):
    builders.publish()
    for name in ("Aigerim", "Anew", "Again"):
        builders.register(name=name)
    first, second, third = (f"/registrations/{token}" for token in builders.link_tokens())
    stale = form_of(visitor.get(third).text, "/erase")[1]
    visitor.press(second, "confirm")
    assert "You are registered" in text_of(visitor.get(second).text)
    before = builders.every_row()
    for path in (first, third):
        page = visitor.get(path)
        assert page.status_code == 200
        said = text_of(page.text)
        assert "Another form that was sent for this address has been confirmed." in said
        assert f'href="{second}"' in page.text
        assert not any(name in page.text for name in ("Aigerim", "Anew", "Again"))
        answer = visitor.client.post(f"{path}/confirm", data=stale)
        assert (answer.status_code, answer.location) == (303, path)
        for act in ("withdraw", "prove", "erase"):
            answer = visitor.client.post(f"{path}/{act}", data=stale)
            assert (answer.status_code, "has been confirmed" in answer.text) == (409, True)
    assert builders.every_row() == before


@on_sqlite
@pytest.mark.parametrize("seen", ["", "0" * 64], ids=["none", "wrong"])
def test_without_the_digest_of_its_page_a_button_does_nothing(app, visitor, seen):
    builders.publish()
    builders.register()
    own = f"/registrations/{builders.attendee().token}"
    for act in ("confirm", "erase"):
        before = builders.every_row()
        _target, fields = form_of(visitor.get(own).text, f"/{act}")
        answer = visitor.client.post(f"{own}/{act}", data=fields | {"seen": seen})
        assert answer.status_code == 409
        assert CHANGED in text_of(answer.text)
        assert builders.every_row() == before
        # The page that says so has the right one.
        assert form_of(answer.text, f"/{act}")[1]["seen"] == fields["seen"]
    builders.press(own.rpartition("/")[2])
    _target, fields = form_of(visitor.get(own).text, "/withdraw")
    answer = visitor.client.post(f"{own}/withdraw", data=fields | {"seen": seen})
    assert answer.status_code == 409


@on_sqlite
@pytest.mark.parametrize(
    "changes",
    [
        "starts = 2026-04-02T16:00:00",
        'title = "Rain"',
        builders.QUESTIONS.replace("city?", "town?"),
    ],
    ids=["time", "title", "question"],
)
def test_a_discussion_that_changed_is_shown_again_before_it_is_confirmed(app, visitor, changes):
    builders.publish(builders.with_questions())
    builders.register()
    own = f"/registrations/{builders.attendee().token}"
    target, fields = form_of(visitor.get(own).text, "/confirm")
    is_question = changes.startswith("\n")
    builders.publish(builders.file() + changes.encode() if is_question else
                     builders.with_questions(changes))  # fmt: skip
    answer = visitor.client.post(target, data=fields)
    assert answer.status_code == 409
    assert CHANGED in text_of(answer.text)
    target, fields = form_of(answer.text, "/confirm")
    assert visitor.client.post(target, data=fields).status_code == 303
    assert builders.registration_of().status is RegistrationStatus.CONFIRMED


@on_sqlite
def test_a_seat_that_came_meanwhile_is_not_given_up_unseen(app, visitor):
    builders.publish(builders.file("seats = 1"))
    seated = builders.register_and_confirm("other@example.org")
    own = f"/registrations/{builders.register_and_confirm().token}"
    target, fields = form_of(visitor.get(own).text, "/withdraw")
    visitor.press(f"/registrations/{seated.token}", "withdraw")
    answer = visitor.client.post(target, data=fields)
    assert answer.status_code == 409
    assert "You are registered" in text_of(answer.text)
    assert builders.registration_of().status is RegistrationStatus.CONFIRMED


def new_address_link(token: str, new: str) -> str:
    """Let the attendee type a new address, and return the path that its letter would have."""
    with writing() as tx:
        self_service.change(tx, token, builders.entry(new))
        registration, discussion = self_service.by_token(tx, token)
        index = address_index(tx.keys, discussion.uid, addresses.parse(new))
        signed = sign_new_address(tx.keys.secret("links"), registration.public_id, index)
    return f"/registrations/address/{signed}"


@on_sqlite
def test_a_new_address_takes_on_only_the_text_that_its_page_showed(app, visitor):
    builders.publish(builders.with_questions())
    token = builders.register_and_confirm(answers={"city": "Almaty"}).token
    link = new_address_link(token, "new@example.org")
    page = visitor.get(link).text
    assert "Айгерим" in page
    _target, fields = form_of(page)
    with writing() as tx:
        mine = builders.entry("new@example.org", "Mallory", shared_with=[builders.AGREED])
        self_service.change(tx, token, mine)
    answer = visitor.client.post(link, data=fields)
    assert answer.status_code == 409
    assert all(said in text_of(answer.text) for said in (CHANGED, "Mallory", AGREED))
    assert builders.attendee().address == AIGERIM
    assert visitor.client.post(link, data=form_of(answer.text)[1]).status_code == 303
    assert builders.attendee("new@example.org").name == "Mallory"


@on_sqlite
def test_mailings_are_stopped_by_a_link_of_before_the_return(app, visitor):
    builders.publish()
    old = builders.register_and_confirm()
    link = f"/registrations/mailings/{sign_mailings(old.public_id, old.token)}"
    visitor.press(f"/registrations/{old.token}", "withdraw")
    builders.register()
    builders.confirm()
    assert visitor.client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert builders.registration_of().mailings_stopped_at


@on_sqlite
def test_consent_typed_for_one_partner_is_none_for_another(app, visitor):
    builders.publish(builders.with_questions("address_confirmation = false"))
    path = "/discussions/water/register"
    target, fields = form_of(visitor.get(path).text)
    other = builders.with_questions("address_confirmation = false").replace(b"PaperLab", b"Other")
    builders.publish(other)
    visitor.clock.advance(seconds=10)
    typed = fields | builders.ANSWERS | {"name": "A", "email": AIGERIM, "sharing_0": "y"}
    answer = visitor.client.post(target or path, data=typed)
    assert answer.status_code == 422
    assert "The questions in this form have changed since you opened it." in text_of(answer.text)
    assert builders.count_registrations() == 0
    again = form_of(answer.text)[1]
    assert (again["name"], "sharing_0" in again) == ("A", False)
    assert visitor.client.post(path, data=again).status_code == 303
    assert builders.attendee().shared_with == []


@on_sqlite
def test_the_form_to_change_is_about_the_questions_that_it_asked(app, visitor):
    builders.publish(builders.with_questions())
    own = f"/registrations/{builders.register_and_confirm().token}"
    target, fields = form_of(visitor.get(own).text, "/change")
    builders.publish(builders.with_questions().replace(b"PaperLab", b"Other"))
    typed = fields | builders.ANSWERS | {"sharing_0": "y"}
    answer = visitor.client.post(target, data=typed)
    assert answer.status_code == 422
    assert "sharing_0" not in form_of(answer.text, "/change")[1]
    assert builders.attendee().shared_with == []


@on_sqlite
@pytest.mark.parametrize("act", ["erase", "withdraw", "address", "send"])
def test_the_desk_does_nothing_to_an_attendee_who_has_changed(app, clock, act):
    builders.publish()
    token = builders.register_and_confirm().token
    asel = signed_in(app, clock)
    public_id = builders.registration_of().public_id
    path = f"/organizer/discussions/water/attendees/{public_id}"
    target, fields = form_of(asel.get(path).text, f"/{act}")
    with writing() as tx:
        self_service.change(tx, token, builders.entry(name="Aigerim K."))
    before = builders.every_row()
    answer = asel.client.post(target, data=fields | {"sure": "yes", "email": "b@example.org"})
    assert answer.status_code == 409
    assert all(said in text_of(answer.text) for said in (CHANGED, "Aigerim K."))
    assert builders.every_row()["registrations"] == before["registrations"]


class Raced:
    """People who look and press while others send forms for the same addresses."""

    def __init__(self, app, clock) -> None:
        self.app, self.clock = app, clock
        self.confirmed = self.unseen = self.forms = 0

    def attack(self, address: str, number: int) -> None:
        """Send a form for somebody else's address."""
        self.forms += 1
        typed = {"answers": {"city": f"Hers {number}"}, "shared_with": [builders.AGREED]}
        builders.register(address=address, name=f"Mallory {number}", **typed)

    def look_and_press(self, address: str, number: int) -> None:
        """Open one of the links, let others send a form, and press the button of the page."""
        browser = Browser(self.app, self.app.response_class)
        self.attack(address, number)
        self.forms += 1
        builders.register(address=address, name="Aigerim", answers={"city": "Mine"})
        tokens = builders.link_tokens(address)
        token = tokens[number % len(tokens)]
        page = browser.get(f"/registrations/{token}").text
        self.attack(address, number + 1000)
        target, fields = form_of(page, "/confirm")
        answer = browser.post(target, data=fields)
        person = builders.attendee(address)
        is_registered = builders.registration_of(address).status.value == "confirmed"
        self.confirmed += is_registered
        shown = text_of(page)
        seen = (person.name in shown, str(person.answers["city"]) in shown)
        agreed = bool(person.shared_with) == (AGREED in shown)
        self.unseen += is_registered and not (all(seen) and agreed and person.token == token)
        assert answer.status_code in {303, 409}


@pytest.mark.slow
def test_of_a_thousand_raced_forms_none_is_confirmed_unseen(app, clock, capsys):
    builders.publish(builders.with_questions())
    raced, random = Raced(app, clock), Random(20260302)
    addresses = [f"person{number}@example.org" for number in range(250)]
    acts = []
    for number, address in enumerate(addresses):
        acts += [
            lambda address=address, number=number: raced.look_and_press(address, number),
            lambda address=address, number=number: raced.attack(address, number + 2000),
        ]
    # Neighbours stay near each other, so that both are about the same address at the same time.
    for start in range(0, len(acts), 8):
        some = acts[start : start + 8]
        random.shuffle(some)
        acts[start : start + 8] = some
    builders.at_once(app, acts, threads=8)
    with capsys.disabled():
        print(f"\nraced forms: {raced.forms}, confirmed: {raced.confirmed}, unseen: {raced.unseen}")  # noqa: T201
    assert raced.forms == 1000
    assert raced.confirmed > 200
    assert raced.unseen == 0
