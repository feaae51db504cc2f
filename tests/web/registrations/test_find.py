"""Send me my link: one answer for all, at most three letters a day, also when all is over."""

from datetime import timedelta

from registration.database import writing
from registration.services.discussions import publication
from registration.services.registrations import self_service

from ... import builders
from ...machine import on_sqlite
from ...visitor import Visitor, form_of, text_of

FIND = "/registrations/find"


def answers(app, clock, *addresses: str) -> list:
    found = []
    for address in addresses:
        somebody = Visitor(app, clock)
        answer = somebody.fill(FIND, email=address)
        page = somebody.get(answer.location)
        found.append([(it.status, sorted(it.headers), it.data) for it in (answer, page)])
    return found


def test_find_answers_everybody_alike_and_writes_to_registered_addresses_only(app, clock):
    builders.publish()
    builders.register(address="unconfirmed@example.org")
    builders.register_and_confirm("confirmed@example.org")
    builders.deliver()
    before = len(builders.letter_kinds())
    same = answers(app, clock, *(f"{n}@example.org" for n in ("new", "unconfirmed", "confirmed")))
    assert same[0][0][0] == "303 SEE OTHER"
    assert same == [same[0]] * 3
    assert builders.letter_kinds()[before:] == ["address_confirmation", "link"]


@on_sqlite
def test_find_sends_the_link_of_every_discussion(app, visitor):
    builders.publish()
    builders.publish_first()
    for slug in ("water", "bloody-january"):
        builders.register_and_confirm(slug=slug)
    builders.deliver()
    visitor.clock.advance(minutes=1)
    visitor.fill(FIND, email="AIGERIM@example.org")
    assert builders.deliver() == 2
    sent = [letter.get_body(("plain",)).get_content() for letter in builders.kept_letters(app)[-2:]]
    for slug in ("water", "bloody-january"):
        link = f"/registrations/{builders.attendee(slug=slug).token}"
        assert any(link in letter for letter in sent)


@on_sqlite
def test_find_works_after_the_discussion_has_closed_ended_or_been_unpublished(app, visitor):
    discussion = builders.publish()
    token = builders.register_and_confirm().token
    visitor.clock.now = discussion.ends_at + timedelta(days=1)
    assert visitor.fill(FIND, email="aigerim@example.org").status_code == 303
    builders.deliver()
    with writing() as tx:
        publication.unpublish(tx, "water")
    assert visitor.fill(FIND, email="aigerim@example.org").status_code == 303
    assert builders.letter_kinds()[2:] == ["link", "link"]
    builders.deliver()
    assert token in builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    assert visitor.get(f"/registrations/{token}").status_code == 200


@on_sqlite
def test_find_works_for_withdrawn_attendees(app, visitor):
    builders.publish()
    token = builders.register_and_confirm().token
    visitor.press(f"/registrations/{token}", "withdraw")
    visitor.fill(FIND, email="aigerim@example.org")
    assert builders.letter_kinds()[-1] == "link"


@on_sqlite
def test_find_sends_three_a_day_and_the_next_day_again(app, visitor):
    builders.publish()
    builders.register_and_confirm()
    visitor.clock.advance(days=1)
    for _ in range(5):
        assert visitor.fill(FIND, email="aigerim@example.org").status_code == 303
        builders.deliver()
    assert builders.letter_kinds().count("link") == 3
    visitor.clock.advance(days=1)
    visitor.fill(FIND, email="aigerim@example.org")
    assert builders.letter_kinds().count("link") == 4


def test_find_asked_at_once_sends_one(app, clock):
    builders.publish()
    builders.register_and_confirm()
    clock.advance(days=1)
    address = builders.entry().address

    def ask() -> None:
        with writing() as tx:
            self_service.send_links(tx, address)

    builders.at_once(app, [ask] * 10)
    assert builders.letter_kinds().count("link") == 1


@on_sqlite
def test_find_keeps_what_was_typed_when_it_refuses(app, visitor):
    page = visitor.fill(FIND, email="aigerim@")
    assert page.status_code == 422
    assert form_of(page.text)[1]["email"] == "aigerim@"
    assert "is not a mail domain" in text_of(page.text)
    page = visitor.fill(FIND, email="a@example.org", website="x")
    assert page.status_code == 422
    assert "Only programs fill this in." in text_of(page.text)
    app.config["WTF_CSRF_TIME_LIMIT"] = -1
    page = visitor.fill(FIND, email="a@example.org")
    assert page.status_code == 422
    app.config["WTF_CSRF_TIME_LIMIT"] = 60
    assert visitor.client.post(FIND, data=form_of(page.text)[1]).status_code == 303
