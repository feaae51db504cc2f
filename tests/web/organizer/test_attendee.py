"""One attendee's page: data, history, and the acts of an organizer."""

import pytest

from registration import outbox
from registration.database import reading, writing
from registration.models import AuditEntry, Deed, Erasure, Letter, LetterState, Role

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite
from ...visitor import text_of

TABLE = "/organizer/discussions/water/attendees"


def page_of(address: str = "aigerim@example.org") -> str:
    return f"{TABLE}/{builders.registration_of(address).public_id}"


def deeds() -> list[Deed]:
    with reading() as tx:
        entries = tx.query(AuditEntry).filter(AuditEntry.slug == "water")
        return [it.deed for it in entries.order_by(AuditEntry.id)]


def fail_letters(answer: str) -> None:
    """Let every letter that is owed be refused."""

    with writing() as tx:
        for letter in outbox.claim(tx, 10):
            outbox.mark_failed(tx, letter, answer)


def test_it_shows_what_is_held_and_all_that_happened(app, clock):
    builders.publish(builders.with_questions())
    builders.register(answers={"city": "Алматы", "topics": ["Rivers", "Law"]})
    fail_letters("550 no such user")
    clock.advance(minutes=1)
    builders.confirm()
    builders.deliver()
    told = text_of(signed_in(app, clock).get(page_of()).text)
    for part in ("Айгерим", "aigerim@example.org", "Алматы", "Rivers; Law", "Which city?"):
        assert part in told
    order = [
        "Registered",
        "Letter queued: to confirm the address",
        "Letter failed: to confirm the address",
        "550 no such user",
        "Confirmed",
        "Letter queued: confirmation",
        "Letter accepted: confirmation",
        "kept in the letters' folder",
    ]
    places = [told.find(words, told.find("What happened")) for words in order]
    assert -1 not in places
    assert sorted(places) == places


def test_the_status_letter_is_sent_again_three_times_a_day(app, clock):
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()
    asel = signed_in(app, clock)
    for _ in range(3):
        assert asel.fill(page_of(), "send").status_code == 303
        builders.deliver()
    kinds = builders.letter_kinds()
    assert kinds.count("confirmation") == 4
    refused = asel.fill(page_of(), "send")
    assert refused.status_code == 409
    assert "that is all it gets" in text_of(refused.text)
    assert builders.letter_kinds() == kinds


@on_sqlite
def test_letters_that_failed_are_tried_again(app, clock):
    builders.publish()
    builders.register()
    fail_letters("550 no")
    asel = signed_in(app, clock)
    asel.fill(page_of(), "retry")
    with reading() as tx:
        assert tx.query(Letter).one().state is LetterState.OWED
    assert "retry" not in asel.get(page_of()).text
    assert deeds() == [Deed.LETTER_SENT_AGAIN]


def test_correcting_an_unconfirmed_address_ends_the_old_link(app, clock):
    builders.publish()
    builders.register(address="aigerim@exampel.org")
    before = builders.attendee("aigerim@exampel.org")
    asel = signed_in(app, clock)
    asel.fill(page_of("aigerim@exampel.org"), "address", email="aigerim@example.org")
    assert asel.get(f"/registrations/{before.token}").status_code == 404
    builders.deliver()
    (letter,) = builders.kept_letters(app)
    assert letter["To"] == "aigerim@example.org"
    builders.confirm()
    assert deeds() == [Deed.ADDRESS_CORRECTED]


def test_a_confirmed_attendee_keeps_the_old_address_until_the_new_confirms(app, clock):
    builders.publish()
    builders.register_and_confirm("old@example.org")
    builders.deliver()
    asel = signed_in(app, clock)
    asel.fill(page_of("old@example.org"), "address", email="new@example.org")
    builders.deliver()
    held = builders.attendee("old@example.org")
    assert (held.address, held.new_address) == ("old@example.org", "new@example.org")
    assert builders.kept_letters(app)[-1]["To"] == "new@example.org"


@on_sqlite
def test_an_address_of_somebody_else_is_refused_and_stays_typed(app, clock):
    builders.publish()
    builders.register_and_confirm()
    builders.register(address="typo@example.org")
    asel = signed_in(app, clock)
    before = builders.every_row()["registrations"]
    for typed, status, said in (
        ("Aigerim@example.org", 409, "This address is registered already."),
        ("nobody", 422, "has one @ sign"),
    ):
        page = asel.fill(page_of("typo@example.org"), "address", email=typed)
        assert page.status_code == status
        assert said in text_of(page.text)
        assert f'value="{typed}"' in page.text
    assert builders.every_row()["registrations"] == before


def test_an_organizer_withdraws_somebody_once(app, clock):
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()
    asel = signed_in(app, clock)
    page = page_of()
    asel.fill(page, "withdraw")
    assert builders.registration_of().withdrawn_at
    assert builders.letter_kinds()[-1] == "withdrawal"
    assert f'action="{page}/withdraw"' not in asel.get(page).text
    assert deeds() == [Deed.ATTENDEE_WITHDRAWN]


def test_erasing_needs_a_tick_and_then_leaves_nothing(app, clock):
    builders.publish()
    builders.register_and_confirm()
    asel = signed_in(app, clock)
    page, public_id = page_of(), builders.registration_of().public_id
    unsure = asel.fill(page, "erase")
    assert unsure.status_code == 422
    assert "nothing was erased" in text_of(unsure.text)
    assert asel.fill(page, "erase", sure="yes").status_code == 303
    assert asel.get(page).data == asel.get("/organizer/never").data
    with reading() as tx:
        assert [it.public_id for it in tx.query(Erasure)] == [public_id]
    assert deeds() == [Deed.ATTENDEE_ERASED]


@on_sqlite
def test_a_mark_is_set_and_taken_away(app, clock):
    builders.publish()
    builders.register_and_confirm()
    asel = signed_in(app, clock)
    asel.fill(page_of(), "attended", attended="yes")
    assert builders.registration_of().attended_at
    asel.fill(page_of(), "attended", attended="no")
    assert builders.registration_of().attended_at is None


@on_sqlite
@pytest.mark.parametrize(
    "act", ["", "/send", "/retry", "/address", "/withdraw", "/erase", "/attended"]
)
def test_an_attendee_of_another_discussion_or_desk_is_not_there(app, clock, act):
    builders.publish()
    builders.publish_first()
    builders.register_and_confirm()
    public_id = builders.registration_of().public_id
    before = builders.every_row()["registrations"]
    somebody = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "bloody-january")
    missing = somebody.get("/organizer/never").data
    token = somebody.get("/organizer/").text.split('csrf_token" type="hidden" value="')[1]
    fields = {"csrf_token": token.split('"')[0], "sure": "yes", "attended": "yes"}
    fields["email"] = "new@example.org"
    for path in (f"{TABLE}/{public_id}", f"{TABLE.replace('water', 'bloody-january')}/{public_id}"):
        ask = somebody.client.post if act else somebody.client.get
        assert ask(path + act, data=fields).data == missing
    assert builders.every_row()["registrations"] == before


def test_the_old_address_given_again_takes_a_mistyped_correction_back(app, clock):
    builders.publish()
    builders.register_and_confirm("right@example.org")
    builders.deliver()
    asel = signed_in(app, clock)
    page = page_of("right@example.org")
    asel.fill(page, "address", email="typo@example.org")
    assert asel.fill(page, "address", email="Right@example.org").status_code == 303
    held = builders.attendee("right@example.org")
    assert (held.address, held.new_address) == ("right@example.org", "")
    builders.deliver()
    assert [letter["To"] for letter in builders.kept_letters(app)] == ["right@example.org"]


@on_sqlite
def test_a_letter_that_waits_is_hurried_and_counts_for_nothing(app, clock):
    builders.publish()
    builders.register_and_confirm()
    asel = signed_in(app, clock)
    for _ in range(5):
        assert asel.fill(page_of(), "send").status_code == 303
    assert builders.letter_kinds().count("confirmation") == 1


@on_sqlite
def test_no_confirmation_is_sent_again_for_a_cancelled_discussion(app, clock):
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()
    builders.cancel()
    kinds = builders.letter_kinds()
    refused = signed_in(app, clock).fill(page_of(), "send")
    assert refused.status_code == 409
    assert "The discussion is off or over" in text_of(refused.text)
    assert builders.letter_kinds() == kinds


@on_sqlite
def test_a_letter_that_failed_is_forgotten_once_another_arrives(app, clock):
    builders.publish()
    builders.register(address="typo@example.org")
    fail_letters("550 no such user")
    asel = signed_in(app, clock)
    failed = f"{TABLE}?who=letter+failed"
    assert "typo@example.org" in asel.get(failed).text
    asel.fill(page_of("typo@example.org"), "address", email="right@example.org")
    builders.deliver()
    assert "right@example.org" not in asel.get(failed).text
