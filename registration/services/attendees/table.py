"""The attendees of a discussion as its organizers see them: by pages, filtered, sorted, searched.

Names are sealed. Whoever sorts by them or searches has all of them unsealed for one page, in short
steps that hold nobody up; nothing of that is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, func, select, type_coerce

from ...database import Transaction, comparable
from ...models import Attendee, LetterState, Registration, RegistrationStatus, as_sealed
from ...text.normalize import sorting_key
from ..registrations.self_service import NoSuchRegistration
from .exports import Reading
from .queries import has_status, last_letter_state

ATTENDEES_A_PAGE = 100
# How many are unsealed in one session.
ROWS_A_STEP = 2000
_NAME_FIELD = b'"name": '


class Filter(StrEnum):
    """Who is shown: everybody, those in one state, those who came, or those a letter missed."""

    ALL = "all"
    CONFIRMED = "confirmed"
    WAITING = "waiting"
    UNCONFIRMED = "unconfirmed"
    WITHDRAWN = "withdrawn"
    ATTENDED = "attended"
    LETTER_FAILED = "letter failed"


class Order(StrEnum):
    """In which order: as they came, the last first, or by what is sealed."""

    FIRST = "first"
    LAST = "last"
    NAME = "name"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Each word of `search` is found in name, address or affiliation, in letters
    of either case; `page` counts from one."""

    who: Filter = Filter.ALL
    order: Order = Order.LAST
    search: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Person:
    """One line: a registration, whose it is, and what became of the last letter."""

    registration: Registration
    attendee: Attendee
    letter_state: LetterState | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those `found`. `number` is at most `pages`, however far was asked for."""

    people: Sequence[Person]
    found: int
    number: int

    @property
    def pages(self) -> int:
        return _pages(self.found)


def page(reading: Reading, discussion_id: int, wanted: Query) -> Page:
    """Return a page of a discussion's attendees."""
    which = and_(Registration.discussion_id == discussion_id, _is_shown(wanted.who))
    if wanted.search or wanted.order in {Order.NAME, Order.EMAIL}:
        ids = _search(reading, which, wanted)
        number = _clamped(wanted.page, len(ids))
        some = ids[(number - 1) * ATTENDEES_A_PAGE : number * ATTENDEES_A_PAGE]
        with reading() as tx:
            return Page(_load_people(tx, some), len(ids), number)
    with reading() as tx:
        found = tx.scalars(select(func.count()).where(which)).one()
        number = _clamped(wanted.page, found)
        ordered = _by_arrival(select(Registration.id).where(which), wanted.order)
        some = tx.scalars(
            ordered.limit(ATTENDEES_A_PAGE).offset((number - 1) * ATTENDEES_A_PAGE)
        ).all()
        return Page(_load_people(tx, some), found, number)


def find_registration(
    tx: Transaction, discussion_id: int, public_id: str, *, lock: bool = False
) -> Registration:
    """Return a registration by its public id, in this discussion; or raise `NoSuchRegistration`."""
    named = select(Registration).where(
        Registration.discussion_id == discussion_id,
        Registration.public_id == comparable(public_id),
    )
    found = tx.scalar(named.with_for_update(key_share=True) if lock else named)
    if found is None:
        raise NoSuchRegistration("There is no such registration, any more.")
    return found


def _is_shown(who: Filter) -> ColumnElement[bool]:
    if who is Filter.ALL:
        return Registration.id.is_not(None)
    if who is Filter.ATTENDED:
        return Registration.attended_at.is_not(None)
    if who is Filter.LETTER_FAILED:
        return last_letter_state() == LetterState.FAILED
    return has_status(RegistrationStatus(who.value))


def _by_arrival(wanted: Select[Any], order: Order) -> Select[Any]:
    columns = (Registration.registered_at, Registration.id)
    last_first = order is Order.LAST
    return wanted.order_by(*(column.desc() if last_first else column for column in columns))


def _search(reading: Reading, which: ColumnElement[bool], wanted: Query) -> Sequence[int]:
    """Return the ids of those found, in order."""
    keyed = []
    words = wanted.search.casefold().split()
    for number, at, attendee in _candidates(words, reading, which):
        parts = (attendee.name, attendee.address, attendee.new_address, attendee.affiliation)
        searched = "\n".join(parts).casefold()
        if all(word in searched for word in words):
            sealed = attendee.address if wanted.order is Order.EMAIL else attendee.name
            by_name = wanted.order in {Order.NAME, Order.EMAIL}
            keyed.append((sorting_key(sealed) if by_name else "", at, number))
    keyed.sort(reverse=wanted.order is Order.LAST)
    return [number for _key, _at, number in keyed]


def _candidates(
    words: Sequence[str], reading: Reading, which: ColumnElement[bool]
) -> Iterator[tuple[int, Any, Attendee]]:
    """Return id, time and attendee of those of whom anything sealed holds the longest of the words:
    most are not looked at any closer, which would take as long as unsealing them."""
    longest = as_sealed(max(words, key=len, default=""))
    last = 0
    wanted = select(
        Registration.id,
        # Only to be compared: as the database has it.
        type_coerce(Registration.registered_at, String),
        Registration.public_id,
        Registration.sealed,
    )
    while True:
        step = (
            wanted.where(which, Registration.id > last).order_by(Registration.id).limit(ROWS_A_STEP)
        )
        with reading() as tx:
            # Past the ORM, which would take a fifth of the time for nothing.
            rows, keys = tx.connection().execute(step).all(), tx.keys
        if not rows:
            return
        for number, at, public_id, sealed in rows:
            plain = keys.unseal(sealed)
            # What stands before the name is random: half of it all.
            searched = plain[max(0, plain.find(_NAME_FIELD)) :].rstrip().decode()
            if not longest or longest in searched.casefold():
                yield number, at, Attendee.read(plain.decode(), public_id)
        last = rows[-1].id


def _load_people(tx: Transaction, ids: Sequence[int]) -> list[Person]:
    rows = tx.execute(select(Registration, last_letter_state()).where(Registration.id.in_(ids)))
    people = {row[0].id: Person(row[0], row[0].attendee(tx.keys), row[1]) for row in rows}
    # Who has been erased in between is left out.
    return [people[number] for number in ids if number in people]


def _pages(found: int) -> int:
    return max(1, -(-found // ATTENDEES_A_PAGE))


def _clamped(page: int, found: int) -> int:
    return min(max(1, page), _pages(found))
