"""Each change of an organizer's sign-in owes one letter, in the transaction that makes it."""

import pytest
from sqlalchemy import text

from registration import app_context
from registration.database import reading, writing
from registration.models import Letter, LetterKind, LetterState
from registration.services.organizers import accounts, authentication
from registration.text import addresses
from registration.worker import housekeeping

from ... import builders
from ...desk import ASEL, PASSWORD, Desk, invite, signed_in
from ...machine import on_sqlite

ADDRESS = addresses.parse(ASEL)
NEW = "anchor velvet thistle"


def reset() -> None:
    with writing() as tx:
        accounts.reset(tx, ADDRESS)


def test_each_change_owes_one_letter_that_says_what_it_was(app, clock):
    asel = Desk(app, clock)
    asel.accept(invite())
    asel.sign_in()
    asel.fill("/organizer/password", password=PASSWORD, code=asel.code(), new=NEW, again=NEW)
    reset()
    assert builders.letter_kinds() == ["sign_in_set_up", "password_changed", "sign_in_reset"]
    assert builders.deliver() == 3
    letters = builders.kept_letters(app)
    assert [letter["Subject"] for letter in letters] == [
        "Your account was set up",
        "Your password was changed",
        "Your sign-in was reset",
    ]
    assert {letter["To"] for letter in letters} == {ASEL}


@on_sqlite
def test_two_changes_before_the_first_letter_left_are_told_apart(app, clock):
    signed_in(app, clock)
    for _ in range(2):
        clock.advance(minutes=1)
        reset()
    assert builders.deliver() == 2
    bodies = {letter.get_body(("plain",)).get_content() for letter in builders.kept_letters(app)}
    assert len(bodies) == 2


@on_sqlite
def test_signing_in_or_a_mistake_owes_none(app, clock):
    asel = signed_in(app, clock)
    asel.fill("/organizer/password", password="wrong", code=asel.code(), new=NEW, again=NEW)
    asel.fill("/organizer/password", password=PASSWORD, code="0", new=NEW, again=NEW)
    asel.fill("/organizer/", "/sign-out")
    asel.sign_in()
    with writing() as tx:
        kept = tx.execute(text("SELECT password_hash FROM organizers")).scalar_one()
        authentication.renew_hash(tx, 1, kept, "renewed")
    assert builders.letter_kinds() == []


def test_a_change_that_is_undone_owes_none(app, clock):
    signed_in(app, clock)

    def change_and_fail() -> None:
        with writing() as tx:
            authentication.change_password(tx, 1, "hash")
            tx.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert builders.letter_kinds() == []


def test_the_row_holds_nothing_personal(app, clock):
    signed_in(app, clock)
    reset()
    with reading() as tx:
        letter = tx.query(Letter).one()
        row = str(tx.execute(text("SELECT * FROM letters")).all())
    assert (letter.organizer_id, letter.registration_id, letter.mailing_id) == (1, None, None)
    assert letter.kind is LetterKind.SIGN_IN_RESET
    assert letter.key.startswith("sign_in_reset/1/")
    for word in (ASEL, "asel", "example.org>"):
        assert word not in row


@on_sqlite
def test_a_removed_organizer_gets_none(app, clock):
    signed_in(app, clock)
    with writing() as tx:
        accounts.reset(tx, ADDRESS)
        accounts.remove(tx, ADDRESS)
    assert builders.deliver() == 0
    with reading() as tx:
        assert tx.query(Letter).one().state is LetterState.DROPPED


def test_they_are_erased_after_the_retention_also_from_the_folder(app, clock):
    signed_in(app, clock)
    reset()
    builders.deliver()
    housekeeping.run_hourly()
    days = app_context.settings().retention_days
    for _ in range(days - 1):
        clock.advance(days=1)
        housekeeping.run_hourly()
    assert len(builders.kept_letters(app)) == 1
    clock.advance(days=1)
    housekeeping.run_hourly()
    assert builders.letter_kinds() == []
    assert builders.kept_letters(app) == []
