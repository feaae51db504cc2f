"""The state of the service in the terms of the model; and checks that erased people are gone."""

from dataclasses import dataclass
from datetime import datetime

import pytest
from sqlalchemy import select

from registration import app_context
from registration.database import reading
from registration.mail import maildir
from registration.models import Attendee, Erasure, Letter, LetterState, Registration
from registration.services.erasure import ledger
from registration.services.registrations import self_service
from registration.services.registrations.self_service import NoSuchRegistration

from .model import Person, World


@dataclass(frozen=True)
class Seen:
    """A registration as it stands in the database, unsealed, with its letters."""

    row: Registration
    attendee: Attendee
    letters: list[Letter]

    @property
    def letter_ids(self) -> list[str]:
        return [letter.public_id for letter in self.letters]

    def as_told(self, now: datetime) -> tuple[object, ...]:
        """Return the values to compare with the model, in the order of `told`."""
        row, held = self.row, self.row.seat_held_until
        return (
            self.attendee.address, self.attendee.name, self.attendee.new_address, row.status.value,
            row.registered_at, row.erase_at, row.queue_position,
            _seat(bool(row.seated_at), row.status.value, held, now),
            [(letter.kind.value, letter.state.value) for letter in self.letters],
        )  # fmt: skip


def told(person: Person, now: datetime) -> tuple[object, ...]:
    """Return the values of a person in the model."""
    return (
        person.address, person.name, person.new_address, person.status,
        person.registered_at, person.erase_at, person.queue,
        _seat(person.has_seat, person.status, person.held_until, now),
        [(kind, state) for kind, state, _form in person.letters],
    )  # fmt: skip


def _seat(has_seat: bool, status: str, held: datetime | None, now: datetime) -> str:
    """Return how a seat is had; one that was held, and is not any more, is none."""
    if not has_seat:
        return "none"
    if status in {"unconfirmed", "withdrawn"}:
        return f"held until {held}" if held and held > now else "none"
    return "taken"


def everybody() -> dict[str, Seen]:
    """Return every registration by its public id; fails if one does not open."""
    with reading() as tx:
        ring = tx.keys
        found = {}
        for row in tx.scalars(select(Registration)):
            letters = select(Letter).where(Letter.registration_id == row.id).order_by(Letter.id)
            found[row.public_id] = Seen(row, row.attendee(ring), list(tx.scalars(letters)))
        return found


def compare(world: World, found: dict[str, Seen]) -> None:
    """Fail if the service and the model differ."""
    said = sorted((told(it, world.now) for it in world.people.values()), key=str)
    assert sorted((it.as_told(world.now) for it in found.values()), key=str) == said
    seated = sum("taken" in it.as_told(world.now) for it in found.values())
    held = sum(str(it.as_told(world.now)[7]).startswith("held") for it in found.values())
    assert seated + held == world.holders
    kept = set(maildir.newest_first(app_context.letters_folder()))
    sent = {
        letter.public_id
        for it in found.values()
        for letter in it.letters
        if letter.state is LetterState.SENT
    }
    assert sent <= kept


def are_gone(gone: dict[str, Seen]) -> None:
    """Fail if anything of these leads to anybody: a link, an address, a letter, an id."""
    kept = set(maildir.newest_first(app_context.letters_folder()))
    with reading() as tx:
        erased = set(tx.scalars(select(Erasure.public_id)))
        erased |= ledger.read(app_context.settings().keys)
        letters = set(tx.scalars(select(Letter.public_id)))
        for public_id, it in gone.items():
            assert public_id in erased
            assert not kept & set(it.letter_ids)
            assert not letters & set(it.letter_ids)
            with pytest.raises(NoSuchRegistration):
                self_service.by_token(tx, it.attendee.token)
            with pytest.raises(NoSuchRegistration):
                self_service.by_calendar_token(tx, it.attendee.calendar_token)
