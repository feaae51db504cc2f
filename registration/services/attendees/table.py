"""Lists a discussion's attendees for its organizers: by pages, filtered, sorted, searched.

Names and addresses are sealed. To sort by them or to search, all of them are unsealed for each
page, in short steps that block nobody; nothing unsealed is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, func, select, type_coerce

from ...database import Transaction, comparable
from ...database.paging import Opening, pages_apart
from ...models import Attendee, LetterState, Registration, RegistrationStatus, as_sealed
from ...text.normalize import sorting_key
from ..registrations.self_service import NoSuchRegistration
from .queries import last_letter_state

ATTENDEES_A_PAGE = 100
# How many are unsealed in one transaction.
ROWS_A_STEP = 2000
_NAME_FIELD = b'"name": '


class Filter(StrEnum):
    """Which attendees to show: all, by status, those who attended, those with a failed letter."""

    ALL = "all"
    CONFIRMED = "confirmed"
    WAITING = "waiting"
    UNCONFIRMED = "unconfirmed"
    WITHDRAWN = "withdrawn"
    ATTENDED = "attended"
    LETTER_FAILED = "letter failed"


class Order(StrEnum):
    """The order of rows: by arrival, from the first or from the last, or by a sealed value."""

    FIRST = "first"
    LAST = "last"
    NAME = "name"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Query:
    """The page to show. Name, address or affiliation contain each word of `search`, in any case;
    `page` counts from 1."""

    who: Filter = Filter.ALL
    order: Order = Order.LAST
    search: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the table: a registration, its attendee, and the state of its last letter."""

    registration: Registration
    attendee: Attendee
    letter_state: LetterState | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of all that match: `found` is their number, `number` is at most `pages`."""

    people: Sequence[Person]
    found: int
    number: int

    @property
    def pages(self) -> int:
        return _pages(self.found)


def page(reading: Opening, discussion_id: int, wanted: Query) -> Page:
    """Return a page of a discussion's attendees."""
    which = and_(Registration.discussion_id == discussion_id, _is_shown(wanted.who))
    if wanted.search or wanted.order in {Order.NAME, Order.EMAIL}:
        ids = _search(reading, which, wanted)
        number = _clamped(wanted.page, len(ids))
        some = ids[(number - 1) * ATTENDEES_A_PAGE : number * ATTENDEES_A_PAGE]
        with reading() as tx:
            return Page(_load_people(tx, some), len(ids), number)
    with reading() as tx:
        total = tx.scalars(select(func.count()).where(which)).one()
        number = _clamped(wanted.page, total)
        ordered = _by_arrival(select(Registration.id).where(which), wanted.order)
        some = tx.scalars(
            ordered.limit(ATTENDEES_A_PAGE).offset((number - 1) * ATTENDEES_A_PAGE)
        ).all()
        return Page(_load_people(tx, some), total, number)


def find_registration(
    tx: Transaction, discussion_id: int, public_id: str, *, lock: bool = False
) -> Registration:
    """Return a discussion's registration by its public id, or raise `NoSuchRegistration`."""
    named = select(Registration).where(
        Registration.discussion_id == discussion_id,
        Registration.public_id == comparable(public_id),
    )
    found = tx.scalar(named.with_for_update(key_share=True) if lock else named)
    if found is None:
        raise NoSuchRegistration
    return found


def _is_shown(choice: Filter) -> ColumnElement[bool]:
    if choice is Filter.ALL:
        return Registration.id.is_not(None)
    if choice is Filter.ATTENDED:
        return Registration.attended_at.is_not(None)
    if choice is Filter.LETTER_FAILED:
        return last_letter_state() == LetterState.FAILED
    return Registration.status == RegistrationStatus(choice.value)


def _by_arrival(wanted: Select[Any], order: Order) -> Select[Any]:
    columns = (Registration.registered_at, Registration.id)
    last_first = order is Order.LAST
    return wanted.order_by(*(column.desc() if last_first else column for column in columns))


def _search(reading: Opening, which: ColumnElement[bool], wanted: Query) -> Sequence[int]:
    """Return the ids of those found, in order."""
    keyed = []
    words = wanted.search.casefold().split()
    for number, at, attendee in _candidates(words, reading, which):
        parts = (attendee.name, attendee.address, attendee.new_address, attendee.affiliation)
        searched = "\n".join(parts).casefold()
        if all(word in searched for word in words):
            sealed = attendee.address if wanted.order is Order.EMAIL else attendee.shown_name
            by_name = wanted.order in {Order.NAME, Order.EMAIL}
            keyed.append((sorting_key(sealed) if by_name else "", at, number))
    keyed.sort(reverse=wanted.order is Order.LAST)
    return [number for _key, _at, number in keyed]


def _candidates(
    words: Sequence[str], reading: Opening, which: ColumnElement[bool]
) -> Iterator[tuple[int, Any, Attendee]]:
    """Yield id, time and attendee of registrations whose sealed text contains the longest word.

    Most do not contain it, and parsing them would take as long as unsealing them.
    """
    longest = as_sealed(max(words, key=len, default=""))
    wanted = select(
        Registration.id,
        # Only compared, so left as the database has it.
        type_coerce(Registration.registered_at, String),
        Registration.public_id,
        Registration.sealed,
    )
    for rows, keys in pages_apart(reading, wanted.where(which), Registration.id, ROWS_A_STEP):
        for number, at, public_id, sealed in rows:
            plain = keys.unseal(sealed)
            # Everything before the name is random values, half of the text.
            searched = plain[max(0, plain.find(_NAME_FIELD)) :].rstrip().decode()
            if not longest or longest in searched.casefold():
                yield number, at, Attendee.read(plain.decode(), public_id)


def _load_people(tx: Transaction, ids: Sequence[int]) -> list[Person]:
    rows = tx.execute(select(Registration, last_letter_state()).where(Registration.id.in_(ids)))
    people = {row[0].id: Person(row[0], row[0].attendee(tx.keys), row[1]) for row in rows}
    # Registrations that were erased meanwhile are left out.
    return [people[number] for number in ids if number in people]


def _pages(found: int) -> int:
    return max(1, -(-found // ATTENDEES_A_PAGE))


def _clamped(page: int, found: int) -> int:
    return min(max(1, page), _pages(found))
