"""A plain model of the promises about seats, letters and erasure.

No database, no keys, no mail: people in a dictionary. The state machine holds the service to it.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOLD, UNCONFIRMED_LIFE = timedelta(hours=24), timedelta(hours=72)
ROUND, JUMP, WAIT = timedelta(hours=1), timedelta(days=2), timedelta(hours=24)
LETTERS_A_DAY, ANSWERS_A_DAY = 3, 6
COMING = ("confirmed", "waiting")


@dataclass
class Form:
    """A later form for an address, which waits until its own letter's link confirms it."""

    number: int
    name: str
    made_at: datetime


@dataclass
class Person:
    """A registration, and its letters in the order they were owed: kind, state, and the number of
    the form that it confirms."""

    number: int
    address: str
    name: str = ""
    status: str = ""
    registered_at: datetime | None = None
    erase_at: datetime | None = None
    has_seat: bool = False
    held_until: datetime | None = None
    queue: int | None = None
    new_address: str = ""
    forms: list[Form] = field(default_factory=list)
    letters: list[tuple[str, str, int]] = field(default_factory=list)

    def owe(self, kind: str, form: int = 0) -> None:
        # One that waits is enough: it is written when it is sent.
        if (kind, "owed", form) not in self.letters:
            self.letters.append((kind, "owed", form))

    def mark(self, old: str, new: str, kind: str = "") -> None:
        """Give every letter (of a kind) in one state another."""
        self.letters = [
            (each, new if state == old and kind in {"", each} else state, form)
            for each, state, form in self.letters
        ]

    def forget(self, form: Form) -> None:
        """Erase a form, and drop its letters."""
        self.forms.remove(form)
        self.letters = [
            (
                kind,
                "dropped" if number == form.number and state in {"owed", "held"} else state,
                number,
            )
            for kind, state, number in self.letters
        ]

    def is_true(self, kind: str, form: int) -> bool:
        """Whether what a letter of this kind tells is true now."""
        if form:
            return any(it.number == form for it in self.forms)
        return {
            "address_confirmation": self.status == "unconfirmed",
            "confirmation": self.status == "confirmed",
            "waiting": self.status == "waiting",
            "already_registered": self.status in COMING,
            "link": True,
            "address_change": bool(self.new_address),
            "withdrawal": self.status not in COMING,
            "seat": self.status == "confirmed",
        }[kind]


@dataclass
class World:
    """One discussion, and everybody who has registered for it."""

    now: datetime
    ends_at: datetime
    retention: timedelta
    seats: int | None
    people: dict[str, Person] = field(default_factory=dict)
    taken: Counter[tuple[object, ...]] = field(default_factory=Counter)
    last_round: datetime | None = None
    jumped_at: datetime | None = None
    count: int = 0

    def take(self, *bucket: object, most: int) -> bool:
        """Take one of the `most` that a day has."""
        key = (self.now.date(), *bucket)
        self.taken[key] += 1
        return self.taken[key] <= most

    def holds(self, person: Person) -> bool:
        is_held = person.held_until is not None and person.held_until > self.now
        return person.has_seat and (person.status == "confirmed" or is_held)

    @property
    def holders(self) -> int:
        return sum(map(self.holds, self.people.values()))

    @property
    def queue(self) -> list[int]:
        """The places of those who wait and have confirmed it, in order."""
        found = (person for person in self.people.values() if person.status == "waiting")
        return sorted(person.queue or 0 for person in found)

    @property
    def is_full(self) -> bool:
        return self.seats is not None and (self.holders >= self.seats or bool(self.queue))

    def place(self, person: Person) -> None:
        """Give a person without seat and position one of them: a seat if there is one."""
        if person.queue or self.holds(person):
            return
        person.has_seat, person.held_until = not self.is_full, None
        if person.has_seat:
            person.held_until = self.now + HOLD
        else:
            others = (it.queue or 0 for it in self.people.values() if it is not person)
            person.queue = max(others, default=0) + 1

    def promote(self) -> None:
        """Give every free seat to the first who waits."""
        while self.queue and (self.seats is None or self.holders < self.seats):
            (first,) = [it for it in self.people.values() if it.queue == self.queue[0]]
            first.status, first.has_seat, first.queue = "confirmed", True, None
            first.owe("seat")

    def register(self, address: str, name: str) -> None:
        may_write = self.take("letters", address, most=LETTERS_A_DAY)
        person, kind = self.people.get(address), "already_registered"
        if person and person.status not in COMING:
            if may_write:
                self.keep(person, name)
            return
        if person is None:
            self.count += 1
            person = self.people[address] = Person(self.count, address, name, "unconfirmed")
            self.place(person)
            person.registered_at, person.erase_at = self.now, self.now + UNCONFIRMED_LIFE
            kind = "address_confirmation"
        if may_write:
            person.owe(kind)

    def keep(self, person: Person, name: str) -> None:
        """Keep a form for an address that is known and not registered."""
        self.place(person)
        self.count += 1
        person.forms.append(Form(self.count, name, self.now))
        if person.status == "unconfirmed":
            assert person.erase_at
            person.erase_at = max(person.erase_at, self.now + UNCONFIRMED_LIFE)
        person.owe("address_confirmation", self.count)

    def confirm(self, person: Person, form: Form | None = None) -> None:
        if person.status != "unconfirmed" and form is None:
            return
        if form:
            person.name, person.registered_at = form.name, form.made_at
        person.forms.clear()
        person.mark("owed", "dropped", "address_confirmation")
        before = [place for place in self.queue if place < (person.queue or 0)]
        has_room = self.seats is None or (self.holders < self.seats and not before)
        if person.queue and has_room:
            person.has_seat, person.queue = True, None
        self.place(person)
        person.held_until = None
        person.status = "confirmed" if person.has_seat else "waiting"
        assert person.registered_at
        person.erase_at = max(self.ends_at, person.registered_at) + self.retention
        self.answer(person, "confirmation" if person.has_seat else "waiting")

    def answer(self, person: Person, kind: str) -> None:
        if self.take("answers", person.number, most=ANSWERS_A_DAY):
            person.owe(kind)

    def withdraw(self, person: Person) -> None:
        if person.status in COMING:
            person.status, person.has_seat, person.queue = "withdrawn", False, None
            person.new_address = ""
            person.mark("owed", "dropped", "address_change")
            self.answer(person, "withdrawal")

    def change(self, person: Person, name: str, address: str) -> None:
        if person.status not in COMING:
            return
        before, person.name = person.new_address, name
        person.new_address = "" if address == person.address else address
        if person.new_address == before:
            return
        person.mark("owed", "dropped", "address_change")
        if person.new_address and all(
            self.take("new address", bucket, most=LETTERS_A_DAY)
            for bucket in (address, person.number)
        ):
            other = self.people.get(address)
            (other or person).owe("already_registered" if other else "address_change")

    def confirm_new_address(self, person: Person) -> bool:
        """Return whether the link still counted."""
        new = person.new_address
        if not new or person.status not in COMING or new in self.people:
            return False
        del self.people[person.address]
        self.people[new] = person
        person.address, person.new_address = new, ""
        person.owe("confirmation" if person.status == "confirmed" else "waiting")
        return True

    def send_links(self, address: str) -> None:
        is_allowed = self.take("find", address, most=LETTERS_A_DAY)
        person = self.people.get(address)
        if person and is_allowed and self.take("letters", address, most=LETTERS_A_DAY):
            if person.status == "unconfirmed":
                person.owe("address_confirmation", person.forms[-1].number if person.forms else 0)
            else:
                person.owe("link")

    def deliver(self) -> None:
        for person in self.people.values():
            person.letters = [
                (kind, ("sent" if person.is_true(kind, form) else "dropped"), form)
                if state == "owed"
                else (kind, state, form)
                for kind, state, form in person.letters
            ]

    def round(self) -> None:
        """Erase what is due, unless the clock has jumped."""
        last = self.last_round
        if last is None or self.now - last >= ROUND:
            if not self._waits(last):
                self.erase_due()
            self.last_round = self.now

    def _waits(self, last: datetime | None) -> bool:
        """Whether erasure waits, because too much time has passed since the round at `last`."""
        if self.jumped_at is None and last and self.now - last > JUMP:
            self.jumped_at = self.now
        elif self.jumped_at and self.now >= self.jumped_at + WAIT:
            self.jumped_at = None
        return self.jumped_at is not None

    def erase_due(self) -> None:
        kept = {k: it for k, it in self.people.items() if it.erase_at and it.erase_at > self.now}
        self.people = kept
        for person in kept.values():
            for form in list(person.forms):
                if form.made_at + UNCONFIRMED_LIFE <= self.now:
                    person.forget(form)

    def restored(self, now: datetime, erased: set[int]) -> None:
        """Become what a backup of this world is restored to."""
        self.now, self.taken = now, Counter()
        self.people = {k: it for k, it in self.people.items() if it.number not in erased}
        if not self._waits(self.last_round):
            self.erase_due()
        self.last_round = now
        for person in self.people.values():
            person.mark("owed", "held")
