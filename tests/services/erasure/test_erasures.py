"""Erasing: rows, letters and kept files go; nothing sealed remains in the file itself."""

import subprocess
from datetime import timedelta
from pathlib import Path

from registration import app_context
from registration.database import reading, scrub, writing
from registration.models import Erasure, Letter, Registration
from registration.services.erasure import erasures
from registration.services.registrations import confirmation, register, self_service
from registration.services.seats import allocation

from ... import builders
from ...machine import on_sqlite


def erase(address: str = "aigerim@example.org") -> None:
    registration = builders.registration_of(address)
    with writing() as tx:
        mine = tx.get_one(Registration, registration.id)
        erasures.erase(tx, mine, letters=app_context.letters_folder())
    scrub()


def erase_due() -> int:
    with writing() as tx:
        receipt = erasures.erase_due(tx, letters=app_context.letters_folder())
    return len(receipt.public_ids)


def test_erase_removes_row_and_letters_and_keeps_only_the_random_id(app):
    builders.publish()
    builders.register_and_confirm()
    builders.register_and_confirm("other@example.org")
    public_id = builders.registration_of().public_id
    erase()
    with reading() as tx:
        assert [row.public_id for row in tx.query(Erasure)] == [public_id]
        (left,) = tx.query(Registration)
        assert {letter.registration_id for letter in tx.query(Letter)} == {left.id}
    assert builders.attendee("other@example.org").address == "other@example.org"


@on_sqlite
def test_erase_removes_the_letters_that_were_kept(app):
    builders.publish()
    builders.register_and_confirm()
    builders.register("water", "other@example.org")
    builders.deliver()
    assert len(builders.kept_letters(app)) == 2
    erase()
    (left,) = builders.kept_letters(app)
    assert left["To"] == "other@example.org"


@on_sqlite
def test_erase_frees_the_seat(app):
    discussion = builders.publish(builders.file("seats = 1"))
    builders.register_and_confirm()
    with reading() as tx:
        assert allocation.is_full(tx, discussion)
    erase()
    with reading() as tx:
        assert not allocation.is_full(tx, discussion)


def test_erase_at_once_from_two_windows_erases_once(app):
    builders.publish()
    builders.register_and_confirm()
    token = builders.attendee().token

    def press() -> str:
        try:
            with writing() as tx:
                registration, _discussion = self_service.by_token(tx, token)
                erasures.erase(tx, registration, letters=None)
        except self_service.NoSuchRegistration:
            return "nothing there"
        return "erased"

    assert set(builders.at_once(app, [press] * 8)) <= {"erased", "nothing there"}
    with reading() as tx:
        assert (tx.query(Registration).count(), tx.query(Erasure).count()) == (0, 1)


def test_acts_beside_an_erasure_find_nothing_and_change_nothing(app):
    builders.publish()
    builders.register()
    token = builders.attendee().token
    with reading() as tx:
        seen = confirmation.digest(tx, confirmation.open_link(tx, token))
    acts = {
        "confirm": lambda tx, _mine: confirmation.confirm(tx, token, seen),
        "withdraw": self_service.withdraw,
        "erase": lambda tx, mine: erasures.erase(tx, mine, letters=None),
    }

    def press(name: str) -> str:
        try:
            with writing() as tx:
                registration, _discussion = self_service.by_token(tx, token)
                acts[name](tx, registration)
        except self_service.NoSuchRegistration:
            return "nothing there"
        return "done"

    presses = [lambda name=name: press(name) for name in ("erase", "confirm", "withdraw") * 3]
    assert set(builders.at_once(app, presses)) <= {"done", "nothing there"}
    with reading() as tx:
        assert (tx.query(Registration).count(), tx.query(Letter).count()) == (0, 0)


def test_erase_due_erases_due_registrations_and_nothing_else(app, clock):
    discussion = builders.publish()
    builders.register_and_confirm()
    builders.register(address="unconfirmed@example.org")
    clock.advance(hours=72, seconds=-1)
    assert erase_due() == 0
    clock.advance(seconds=1)
    assert erase_due() == 1
    assert builders.attendee().address == "aigerim@example.org"
    clock.now = discussion.ends_at + timedelta(days=30)
    assert erase_due() == 1
    with reading() as tx:
        assert tx.query(Registration).count() == 0


@on_sqlite
def test_erase_due_takes_no_more_than_a_batch(app, clock):
    builders.publish()
    with writing() as tx:
        for number in range(erasures.REGISTRATIONS_A_BATCH + 3):
            typed = builders.entry(f"a{number}@example.org")
            register.register(tx, "water", typed)
    clock.advance(days=4)
    assert [erase_due(), erase_due(), erase_due()] == [erasures.REGISTRATIONS_A_BATCH, 3, 0]


@on_sqlite
def test_nothing_erased_can_be_read_in_the_raw_file(app):
    builders.publish()
    people = [f"person{number}@example.org" for number in range(12)]
    for address in people:
        builders.register_and_confirm(address, answers={"q": address * 50})
    kept = [builders.registration_of(address) for address in people]
    secrets = [row.sealed for row in kept] + [row.token_hash for row in kept]
    secrets += [row.calendar_token_hash for row in kept] + [row.address_index for row in kept]
    assert all(secret in raw(app_context.settings().instance) for secret in secrets), (
        "they are there before"
    )
    for address in people:
        erase(address)
    left = raw(app_context.settings().instance)
    assert [secret for secret in secrets if secret in left] == []
    assert kept[0].public_id.encode() in left, "the list of what was erased"


def raw(folder: Path) -> bytes:
    """Return the bytes of the database and its journal, read by another process: to open them
    here would drop the locks of SQLite's own connections."""
    files = sorted(folder.glob("registration.sqlite3*"))
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout
