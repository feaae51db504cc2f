"""Forms for an address that has a row: each waits for its own link, and changes nothing before."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from registration import app_context
from registration.database import reading, writing
from registration.models import Letter, LetterState, PendingForm, Registration
from registration.services.operations import key_rotation
from registration.services.registrations import (
    confirmation,
    manage,
    self_service,
    subject_access,
)
from registration.services.registrations.self_service import NoSuchRegistration
from registration.services.shown import ChangedSinceShown
from registration.text import addresses
from registration.worker import housekeeping

from ... import builders
from ...machine import on_sqlite

AIGERIM = "aigerim@example.org"


def withdraw() -> None:
    token = builders.attendee().token
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, token)
        self_service.withdraw(tx, registration)


def links(app) -> list[str]:
    """Return the token in each letter that asks to confirm, in the order they were sent."""
    builders.deliver()
    found = []
    for letter in builders.kept_letters(app):
        if letter["Subject"].startswith("Confirm your registration"):
            lines = letter.get_body(("plain",)).get_content().splitlines()
            found += [line.rpartition("/")[2] for line in lines if "/registrations/" in line]
    return found


def shown_by(token: str) -> tuple[str, str]:
    """Return the name and the status that the page of a link shows."""
    with reading() as tx:
        opened = confirmation.open_link(tx, token)
        return opened.shown.attendee(tx.keys).name, opened.shown.status.value


def is_passed(token: str) -> bool:
    with reading() as tx:
        return confirmation.open_link(tx, token).is_passed


def count_forms() -> int:
    with reading() as tx:
        return tx.query(PendingForm).count()


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_each_letter_confirms_the_text_of_its_own_form(app, clock, chosen):
    builders.publish()
    names = ["Aigerim", "Mallory", "A. K."]
    for name in names:
        builders.register(name=name, answers={"of": name}, affiliation=f"{name} Ltd")
        clock.advance(minutes=1)
    tokens = links(app)
    assert tokens == builders.link_tokens()
    assert [shown_by(token)[0] for token in tokens] == names
    builders.press(tokens[chosen])
    held = builders.attendee()
    assert (held.name, held.answers) == (names[chosen], {"of": names[chosen]})
    assert (held.token, held.affiliation) == (tokens[chosen], f"{names[chosen]} Ltd")
    assert [is_passed(token) for token in tokens] == [token != held.token for token in tokens]
    assert builders.registration_of().registered_at == clock.now - timedelta(minutes=3 - chosen)


def test_a_link_that_was_passed_over_keeps_no_text_and_confirms_nothing(app):
    builders.publish()
    for name in ("Aigerim", "CANARY"):
        builders.register(name=name)
    mine, other = builders.link_tokens()
    builders.press(mine)
    with reading() as tx:
        (form,) = tx.scalars(select(PendingForm))
        assert form.text(tx.keys).without_text == form.text(tx.keys)
    before = builders.every_row()
    with writing() as tx:
        confirmation.confirm(tx, other, "")
    assert builders.every_row() == before


def test_a_form_without_a_letter_has_no_link_and_changes_nothing(app):
    builders.publish()
    for number in range(3):
        builders.register(name=f"Form {number}")
    before = builders.every_row()
    builders.register(name="Form 3")
    after = builders.every_row()
    # How many letters are left is counted.
    assert [name for name in before if before[name] != after[name]] in ([], ["throttles"])
    assert len(builders.link_tokens()) == 3


@on_sqlite
def test_a_limited_form_leaves_a_withdrawn_registration_as_it_is(app):
    builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm()
    withdraw()
    for _ in range(2):
        builders.register()
    with writing() as tx:
        tx.query(PendingForm).delete()
        tx.query(Registration).update({"seated_at": None, "seat_held_until": None})
    builders.register()
    assert (count_forms(), builders.registration_of().seated_at) == (0, None)


def test_a_withdrawn_registration_keeps_text_and_link_until_the_new_one_is_confirmed(app, clock):
    builders.publish(builders.file("seats = 1"))
    old = builders.register_and_confirm(name="Aigerim", answers={"of": "Aigerim"})
    withdraw()
    builders.register(name="Mallory")
    assert (builders.attendee(), shown_by(old.token)) == (old, ("Aigerim", "withdrawn"))
    builders.register(address="other@example.org")
    assert builders.registration_of("other@example.org").seated_at is None, "the seat is held"
    builders.press(builders.link_tokens()[-1])
    held = builders.registration_of()
    assert (held.status.value, held.attendee(builders.ring()).name) == ("confirmed", "Mallory")
    assert is_passed(old.token)


@on_sqlite
def test_a_seat_that_is_held_for_somebody_who_returns_is_given_on_after_a_day(app, clock):
    builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm()
    withdraw()
    builders.register()
    builders.register_and_confirm("other@example.org")
    assert builders.registration_of("other@example.org").status.value == "waiting"
    clock.advance(hours=24, seconds=1)
    housekeeping.run_every_minute()
    assert builders.registration_of("other@example.org").status.value == "confirmed"


@on_sqlite
def test_a_form_of_somebody_withdrawn_is_erased_after_72_hours(app, clock):
    builders.publish()
    builders.register_and_confirm()
    withdraw()
    builders.register(name="Anew")
    token = builders.link_tokens()[-1]
    housekeeping.run_hourly()
    for _ in range(71):
        clock.advance(hours=1)
        housekeeping.run_hourly()
    assert (shown_by(token)[0], count_forms()) == ("Anew", 1)
    clock.advance(hours=1)
    housekeeping.run_hourly()
    assert count_forms() == 0
    with pytest.raises(NoSuchRegistration):
        shown_by(token)
    assert builders.registration_of().status.value == "withdrawn"


@on_sqlite
def test_a_letter_of_an_expired_form_is_not_sent(app, clock):
    builders.publish()
    builders.register_and_confirm()
    withdraw()
    builders.deliver()
    builders.register(name="Anew")
    with writing() as tx:
        tx.query(PendingForm).update({"made_at": clock.now - timedelta(hours=72)})
    housekeeping.run_hourly()
    sent = len(builders.kept_letters(app))
    builders.deliver()
    assert len(builders.kept_letters(app)) == sent
    with reading() as tx:
        last = tx.scalars(select(Letter).order_by(Letter.id.desc())).first()
        assert (last.state, last.pending_form_id) == (LetterState.DROPPED, None)


@on_sqlite
def test_a_newer_form_keeps_the_registration_until_its_own_date(app, clock):
    builders.publish()
    builders.register()
    clock.advance(hours=70)
    builders.register(name="Anew")
    first, newer = builders.link_tokens()
    clock.advance(hours=3)
    housekeeping.run_hourly()
    assert [shown_by(token)[0] for token in (first, newer)] == ["Айгерим", "Anew"]
    for _ in range(3):
        clock.advance(hours=23)
        housekeeping.run_hourly()
    assert builders.count_registrations() == 0


def test_erasing_a_registration_erases_its_forms(app):
    builders.publish()
    for _ in range(2):
        builders.register()
    with writing() as tx:
        self_service.erase(tx, tx.query(Registration).one())
    assert (count_forms(), builders.letter_kinds()) == (0, [])


@on_sqlite
def test_a_correction_of_the_address_ends_the_links_to_the_old_one(app):
    builders.publish()
    for _ in range(2):
        builders.register(address="typo@example.org")
    tokens = builders.link_tokens("typo@example.org")
    with writing() as tx:
        found = tx.query(Registration).one()
        manage.correct_address(tx, found, addresses.parse(AIGERIM))
    for token in tokens:
        with pytest.raises(NoSuchRegistration):
            shown_by(token)
    builders.deliver()
    assert [letter["To"] for letter in builders.kept_letters(app)] == [AIGERIM]


@on_sqlite
def test_a_change_of_address_ends_the_links_that_were_passed_over(app):
    builders.publish()
    for _ in range(2):
        builders.register()
    tokens = builders.link_tokens()
    builders.press(tokens[0])
    with writing() as tx:
        self_service.change(tx, tokens[0], builders.entry("new@example.org"))
        found = tx.query(Registration).one()
        discussion = self_service.by_token(tx, tokens[0])[1]
        self_service.set_address(tx, found, discussion, addresses.parse("new@example.org"))
    for token in tokens:
        with pytest.raises(NoSuchRegistration):
            shown_by(token)


def test_a_rotation_of_the_key_seals_the_forms_anew(app):
    builders.publish()
    builders.register()
    builders.register(name="Anew")
    before, settings = builders.ring().current, app_context.settings()
    with writing() as tx:
        key_rotation.rotate(tx, settings.keys, settings.credentials)
    (settings.keys / f"{before}.key").unlink()
    assert shown_by(builders.link_tokens()[-1])[0] == "Anew"
    with reading() as tx:
        assert tx.query(PendingForm).one().key_id == tx.keys.current


@on_sqlite
def test_the_download_of_any_link_states_every_form(app):
    builders.publish()
    builders.register(name="Aigerim")
    builders.register(name="Mallory", answers={"of": "hers"}, zone="Asia/Almaty")
    for token in builders.link_tokens():
        with reading() as tx:
            opened = confirmation.open_link(tx, token)
            held = subject_access.disclose(tx, opened.registration, opened.discussion)
        (form,) = held["other_forms"]
        assert (held["name"], form["name"], form["answers"]) == (
            "Aigerim",
            "Mallory",
            {"of": "hers"},
        )
        assert (form["zone"], form["passed_over_at"]) == ("Asia/Almaty", None)
    builders.press(builders.link_tokens()[0])
    with reading() as tx:
        opened = confirmation.open_link(tx, builders.attendee().token)
        held = subject_access.disclose(tx, opened.registration, opened.discussion)
    assert [set(form) for form in held["other_forms"]] == [{"sent_at", "passed_over_at"}]


@on_sqlite
def test_the_lost_link_of_an_unconfirmed_address_is_that_of_the_newest_form(app):
    builders.publish()
    builders.register(name="Aigerim")
    builders.register(name="Anew")
    links(app)
    with writing() as tx:
        self_service.send_links(tx, addresses.parse(AIGERIM))
    assert links(app)[-1] == builders.link_tokens()[-1]


@on_sqlite
def test_an_organizer_who_adds_somebody_withdrawn_replaces_nothing(app):
    builders.publish()
    old = builders.register_and_confirm(name="Aigerim")
    withdraw()
    with writing() as tx:
        public_id = manage.add(tx, "water", builders.entry(name="Typed by Asel"))
    assert (builders.attendee(), old.public_id) == (old, public_id)
    assert shown_by(builders.link_tokens()[-1])[0] == "Typed by Asel"


def test_a_text_that_was_not_seen_is_not_confirmed(app):
    builders.publish()
    builders.register()
    (token,) = builders.link_tokens()
    with reading() as tx:
        seen = confirmation.digest(tx, confirmation.open_link(tx, token))
    builders.publish(builders.file('title = "Who owns the rain?"'))
    for wrong in (seen, "", "0" * 64):
        with pytest.raises(ChangedSinceShown), writing() as tx:
            confirmation.confirm(tx, token, wrong)
    assert builders.registration_of().status.value == "unconfirmed"


@on_sqlite
def test_a_wrong_clock_dates_forms_right_again(app, clock):
    builders.publish()
    builders.register_and_confirm()
    withdraw()
    housekeeping.run_hourly()
    right = clock.now + timedelta(hours=1)
    clock.advance(days=30)
    housekeeping.run_hourly()
    builders.register(name="Anew")
    clock.now = right
    housekeeping.run_hourly()
    with reading() as tx:
        assert tx.query(PendingForm).one().made_at == right
        assert tx.query(Registration).one().seat_held_until == right + timedelta(hours=24)
