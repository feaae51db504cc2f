"""People come and withdraw while the number of seats changes, from two processes at once: no seat
too many is given, nobody is promoted twice, and the order of the waiting list is kept."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

from sqlalchemy import func, select

from registration import create_app, database
from registration.database import DatabaseBusy, reading, writing
from registration.models import Letter, LetterKind, Registration, address_index
from registration.services import catalog
from registration.services.registrations import self_service
from registration.services.seats import allocation
from registration.text import addresses

from .. import builders
from .figures import Figure, Scale
from .installations import SLUG, Installation, has_postgres, installed, skipped

SEED = 20231207
ACTS = 5_000
FEW, MANY = 20, 40
# Of so many acts, one changes the number of seats.
RARELY = 10


def run(scale: Scale) -> Iterator[Figure]:
    """Let the storm pass over both kinds of database."""
    acts = scale.of(ACTS, 200)
    for kind in ("sqlite", "postgresql"):
        what = f"{acts:,} registrations, withdrawals and changes of seats, two processes, {kind}"
        if kind == "postgresql" and not has_postgres():
            yield skipped(what, "there is no PostgreSQL")
            continue
        with installed(kind) as made:
            yield _figure(what, made, _storm(made, acts // 2))


def _storm(made: Installation, acts: int) -> int:
    """Run both processes, and return the most seats that either saw taken at once."""
    with made.seen():
        builders.publish(_file(FEW))
    typed = {name: int(text) if text.isdigit() else text for name, text in made.settings.items()}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return max(pool.map(_act, [typed] * 2, range(2), [acts] * 2))


def _file(seats: int) -> bytes:
    return builders.file(f'seats = {seats}\nregistration = "open"\naddress_confirmation = false')


def _act(settings: dict[str, Any], process: int, acts: int) -> int:
    """Come, withdraw and change the seats, in an order that the seed gives."""
    chance = random.Random(SEED + process)
    most, here = 0, []
    with create_app(settings).app_context():
        for number in range(acts):
            address = f"a{process}-{number}@example.org"
            if number % RARELY == 0:
                act = partial(builders.publish, _file(chance.choice([FEW, MANY])))
            elif here and chance.random() < 0.4:
                act = partial(_withdraw, here.pop(chance.randrange(len(here))))
            else:
                act = partial(builders.register, SLUG, address)
                here.append(address)
            _do(act)
            most = max(most, _seated())
        database.engine().dispose()
    return most


def _do(act: Callable[[], object]) -> None:
    """Do it again until the database is not busy, as a client does after a 503."""
    while True:
        try:
            act()
        except DatabaseBusy:
            continue
        return


def _withdraw(address: str) -> None:
    with writing() as tx:
        uid = catalog.find(tx, SLUG).uid
        index = address_index(tx.keys, uid, addresses.parse(address))
        wanted = select(Registration).where(Registration.address_index == index)
        mine = tx.scalars(wanted).one()
        self_service.withdraw(tx, mine)


def _seated() -> int:
    with reading() as tx:
        return tx.scalars(
            select(func.count()).where(
                Registration.seated_at.is_not(None), Registration.withdrawn_at.is_(None)
            )
        ).one()


def _figure(what: str, made: Installation, most: int) -> Figure:
    """Return what the storm has left behind, and whether all of it is right."""
    with made.seen(), reading() as tx:
        given = tx.scalars(
            select(Letter.registration_id).where(Letter.kind == LetterKind.SEAT).order_by(Letter.id)
        ).all()
        is_left = bool(allocation.find_promotable(tx))
        waiting = tx.scalars(
            select(Registration.id)
            .where(Registration.queue_position.is_not(None))
            .order_by(Registration.queue_position)
        ).all()
    # One lock numbers registrations and the waiting list, and nobody registers twice.
    in_order = all(
        first < second for lists in (given, waiting) for first, second in pairwise(lists)
    )
    told = f"{most} seats taken at most of {MANY}; {len(given)} promoted, each once and in order"
    is_right = most <= MANY and in_order and not is_left and len(given) > 0
    return Figure(what, told if is_right else f"{told}: not so", is_right)
