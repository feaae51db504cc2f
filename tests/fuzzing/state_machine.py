"""People come, go and are erased, time passes, the service crashes: a plain model is never wrong.

Rules do the same to the service and to the model, in any order; after each, both are compared.
"""

import copy
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from registration import app_context, create_app, database, outbox
from registration.database import Transaction, reading, scrub, writing
from registration.links import sign_new_address
from registration.models import Letter, LetterState, Registration, address_index
from registration.services import catalog
from registration.services.operations import key_rotation
from registration.services.operations.backups import creation, restoration
from registration.services.registrations import register, self_service, unconfirmed_forms
from registration.services.registrations.self_service import LinkIsOver
from registration.text import addresses
from registration.worker import housekeeping, loop

from .. import builders
from ..conftest import Clock
from . import seen
from .model import Person, World
from .seen import Seen
from .service import SETTINGS

ADDRESSES = [f"{name}@example.org" for name in ("aigerim", "bolat", "dina", "erlan", "farida")]
NAMES = ["Aigerim", "Қанат", "'; --"]
EARLIEST = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RETENTION = 3

address, name = st.sampled_from(ADDRESSES), st.sampled_from(NAMES)
SEATS = st.one_of(st.none(), st.integers(1, 3))
SEVERAL = st.lists(address, min_size=2, max_size=4, unique=True)


class Undone(Exception):
    """Something fails before a transaction has ended."""


class Registrations(RuleBasedStateMachine):
    """The service and the model of it. `installed` gives settings of a fresh installation, and
    `emptied` those of the same one without its database."""

    installed: Callable[[Path], dict[str, Any]]
    emptied: Callable[[dict[str, Any]], dict[str, Any]]
    steps = 0  # of all machines of this process

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="machine-"))
        self.settings = type(self).installed(self.folder) | SETTINGS
        self.settings["RETENTION_DAYS"] = RETENTION
        self.clock = Clock(EARLIEST)
        self.backup: tuple[Path, World] | None = None
        self.there: dict[str, Seen] = {}
        self.gone: dict[str, Seen] = {}
        self.numbers: dict[str, int] = {}
        self.holders = 0
        self.context: Any = None
        self._start()
        found = builders.publish(self._file(None))
        self.world = World(EARLIEST, found.ends_at, timedelta(days=RETENTION), None)

    def teardown(self) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self.app = create_app(self.settings, clock=self.clock)
        self.context = self.app.app_context()
        self.context.push()

    def _stop(self) -> None:
        database.engine().dispose()
        self.context.pop()

    def _file(self, seats: int | None) -> bytes:
        lines = f"seats = {seats}\n" if seats else ""
        lines += "starts = 2026-03-03T17:00:00\nends = 2026-03-03T18:00:00\n"
        return builders.file(lines + 'registration = "open"')

    def _act(self, person: Person, act: Callable[..., Any], *more: object) -> None:
        with writing() as tx:
            act(tx, self._found(tx, person.address), *more)

    def _found(self, tx: Transaction, address: str) -> Registration:
        everybody = tx.scalars(select(Registration)).all()
        ring = tx.keys
        (found,) = [it for it in everybody if it.attendee(ring).address == address]
        return found

    def _somebody(self, data: st.DataObject) -> Person:
        return self.world.people[data.draw(st.sampled_from(sorted(self.world.people)))]

    # Acts of people.

    @rule(address=address, name=name)
    def register(self, address: str, name: str) -> None:
        builders.register("water", address, name=name)
        self.world.register(address, name)
        self.world.promote()

    @rule(several=SEVERAL)
    def come(self, several: list[str]) -> None:
        """Register and confirm, one after the other: so that seats run out."""
        for one in several:
            self.register(one, NAMES[0])
            self._confirm(self.world.people[one])
            self.world.promote()

    @precondition(lambda self: self.world.people)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        person = self._somebody(data)
        number = data.draw(st.integers(0, len(person.forms)))
        self._confirm(person, number)
        self.world.promote()

    def _confirm(self, person: Person, number: int = 0) -> None:
        """Confirm the row's own text, or a form that waits: by the link in its letter."""
        with reading() as tx:
            found = self._found(tx, person.address)
            forms = list(reversed(unconfirmed_forms.of(tx, found)))
            assert [form.text(tx.keys).name for form in forms] == [it.name for it in person.forms]
            tokens = [form.text(tx.keys).token for form in forms]
            token = [found.attendee(tx.keys).token, *tokens][number]
        builders.press(token)
        self.world.confirm(person, person.forms[number - 1] if number else None)

    @precondition(lambda self: self.world.people)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        person = self._somebody(data)
        self._act(person, self_service.withdraw)
        self.world.withdraw(person)
        self.world.promote()

    @precondition(lambda self: self.world.people)
    @rule(data=st.data(), address=address, name=name)
    def change(self, data: st.DataObject, address: str, name: str) -> None:
        person = self._somebody(data)
        with writing() as tx:
            token = self._found(tx, person.address).attendee(tx.keys).token
            entry = builders.entry(address, name)
            self_service.change(tx, token, entry)
        self.world.change(person, name, address)

    @precondition(lambda self: any(it.new_address for it in self.world.people.values()))
    @rule(data=st.data())
    def confirm_new_address(self, data: st.DataObject) -> None:
        asked = sorted(key for key, it in self.world.people.items() if it.new_address)
        person = self.world.people[data.draw(st.sampled_from(asked))]
        counts = False
        with suppress(LinkIsOver), writing() as tx:
            signed = self._signed(tx, person)
            builders.press_new_address(tx, signed)
            counts = True
        assert self.world.confirm_new_address(person) == counts

    def _signed(self, tx: Transaction, person: Person) -> str:
        ring, found = tx.keys, self._found(tx, person.address)
        uid = catalog.find(tx, "water").uid
        index = address_index(ring, uid, addresses.parse(person.new_address))
        return sign_new_address(ring.secret("links"), found.public_id, index)

    @rule(address=address)
    def ask_for_the_link(self, address: str) -> None:
        with writing() as tx:
            asked = addresses.parse(address)
            self_service.send_links(tx, asked)
        self.world.send_links(address)

    @precondition(lambda self: self.world.people)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        person = self._somebody(data)
        with writing() as tx:
            found = self._found(tx, person.address)
            receipt = self_service.erase(tx, found)
        app_context.record_erasure(receipt)
        scrub()
        del self.world.people[person.address]
        self.world.promote()

    # Acts of organizers, and time.

    @initialize(seats=st.integers(1, 3), several=SEVERAL, owing=st.booleans())
    def announce(self, seats: int, several: list[str], *, owing: bool) -> None:
        self.resize(seats)
        self.come(several)
        if not owing:
            self.deliver()
        self.back_up()

    @rule(seats=SEATS)
    def resize(self, seats: int | None) -> None:
        builders.publish(self._file(seats))
        if seats != self.world.seats:
            self.world.seats = seats
            self.world.promote()

    @rule()
    def deliver(self) -> None:
        loop.deliver_due()
        self.world.deliver()

    @rule(hours=st.sampled_from([1, 23, 24, 30]))
    def wait(self, hours: int) -> None:
        self._pass(timedelta(hours=hours))

    @rule(days=st.integers(2, 10), stands_still=st.booleans())
    def wait_long(self, days: int, *, stands_still: bool) -> None:
        """Let days pass; a service that stood still cannot tell that from a clock that jumped."""
        for span in [days] if stands_still else [1] * days:
            self._pass(timedelta(days=span))

    def _pass(self, span: timedelta) -> None:
        self.clock.now += span
        self.world.now += span
        housekeeping.run_hourly()
        housekeeping.run_every_minute()
        self.world.round()
        self.world.promote()

    # Crashes.

    @rule()
    def crash(self) -> None:
        self._stop()
        self._start()

    @rule(address=address, name=name)
    def fail_half_way(self, address: str, name: str) -> None:
        with suppress(Undone), writing() as tx:
            entry = builders.entry(address, name)
            register.register(tx, "water", entry)
            raise Undone

    @rule(is_undone=st.booleans())
    def rotate_the_keys(self, *, is_undone: bool) -> None:  # hypothesis names it
        settings = app_context.settings()
        with suppress(Undone), writing() as tx:
            key_rotation.rotate(tx, settings.keys, settings.credentials)
            if is_undone:
                raise Undone
            self.world.taken.clear()

    @rule()
    def back_up(self) -> None:
        file = self.folder / f"backup-{secrets.token_hex(4)}"
        creation.back_up(database.engine(), file, now=app_context.now())
        self.backup = file, copy.deepcopy(self.world)

    @precondition(lambda self: self.backup)
    @rule()
    def restore(self) -> None:
        assert self.backup
        file, world = self.backup
        self._stop()
        self.settings = type(self).emptied(self.settings)
        self._start()
        restoration.restore(
            database.engine(), file, settings=app_context.settings(), now=app_context.now()
        )
        count, self.world = self.world.count, copy.deepcopy(world)
        self.world.restored(app_context.now(), {self.numbers[public_id] for public_id in self.gone})
        self.world.count = count
        # People who registered after the backup were not erased, and yet are gone.
        saved = {it.number for it in world.people.values()}
        self.there = {key: it for key, it in self.there.items() if self.numbers[key] in saved}

    @rule()
    def release_what_is_held(self) -> None:
        with writing() as tx:
            wanted = select(Letter.id).where(Letter.state == LetterState.HELD)
            outbox.retry(tx, tx.scalars(wanted).all())
        for person in self.world.people.values():
            person.mark("held", "owed")

    @invariant()
    def is_as_the_model_says(self) -> None:
        type(self).steps += 1
        found = seen.everybody()
        seen.compare(self.world, found)
        for public_id, it in found.items():
            self.numbers[public_id] = self.world.people[it.attendee.address].number
        # People whom the model no longer knows were erased: no link may lead to them again.
        self.gone |= {key: it for key, it in self.there.items() if key not in found}
        seen.are_gone(self.gone)
        self.there = found

    @invariant()
    def no_seat_is_given_twice(self) -> None:
        """Seats may be fewer than their holders once they were reduced, and only then."""
        seats, holders = self.world.seats, self.world.holders
        assert seats is None or holders <= max(seats, self.holders)
        self.holders = holders
