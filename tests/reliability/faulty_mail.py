"""Letters through a mail server that fails: each arrives, whole, under one Message-ID, and no
failure is silent.

The worker's own code delivers; its clock is put forward again and again, so that what is put
off comes due at once. Every letter that the server accepted is read by
`letter_check`, which knows nothing of what wrote it.
"""

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing import get_context

from sqlalchemy import select

from registration.database import reading, writing
from registration.mail import delivery, smtp_connections
from registration.mail.delivery import MailStopped, ServerUnavailable
from registration.models import Letter, LetterState, Registration
from registration.services.registrations import register
from registration.worker import loop

from .. import builders
from . import letter_check
from .faulty_server import GONE, SPEED, FaultyServer
from .figures import Figure, Scale
from .installations import SLUG, Clock, has_postgres, installed

SEED = 20231207
# A second discussion asks for no confirmation of addresses: its first letter brings the invitation.
AT_ONCE = "land"
INVITING = f'slug = "{AT_ONCE}"\nregistration = "open"\naddress_confirmation = false'
# One address of so many is refused for good.
GONE_OF = 50
AT_A_TIME = 200
# How likely something goes wrong at each step of a conversation; a letter has five steps. So few
# that no letter meets with a fault at every attempt; more where few letters are sent.
LIKELY, LIKELY_IN_BRIEF = 0.03, 0.06
# How likely the server refuses connections when the worker comes.
AWAY = 0.1
# After this every letter has been tried as often as it ever will be (outbox.RETRY_DELAYS).
LONGEST = timedelta(days=30)
MOMENT, HOUR = timedelta(seconds=loop.FIRST_WAIT_SECONDS), timedelta(hours=1)
NEVER, DOUBLED = "never delivered", "with two Message-IDs"
MISTAKES = (
    NEVER,
    DOUBLED,
    "not whole",
    "with an address, link or Message-ID of another",
    "refused for good and not shown as failed",
    "with an address in the answer that is kept",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """So many letters on one kind of database."""

    kind: str
    letters: int
    likely: float


@dataclass(frozen=True, slots=True)
class Owed:
    """A letter of the outbox, with its address, Message-ID and the token of its personal link."""

    address: str
    message_id: str
    token: str
    letter: Letter


def run(scale: Scale) -> Iterator[Figure]:
    """Send half of the letters from SQLite and half from PostgreSQL, at the same time."""
    half, likely = scale.of(10_000, 60), LIKELY_IN_BRIEF if scale is Scale.BRIEF else LIKELY
    kinds = ["sqlite", "postgresql"] if has_postgres() else ["sqlite"]
    plans = [Plan(kind, half, likely) for kind in kinds]
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        tallies = list(pool.map(carry_out, plans))
    for plan, tally in zip(plans, tallies, strict=True):
        yield from _figures(plan, tally)
    total = sum(tallies, Counter())
    lost, doubled = total[NEVER], total[DOUBLED]
    yield Figure(
        "letters through a faulty mail server / never delivered / with two Message-IDs",
        f"{total['letters']:,} / {lost} / {doubled}; {total['again']} duplicates",
        not lost and not doubled,
    )


def _figures(plan: Plan, tally: Counter[str]) -> Iterator[Figure]:
    told = ", ".join(f"{tally[what]:,} {what}" for what in MISTAKES)
    yield Figure(
        f"{plan.kind}: {tally['letters']:,} letters through a faulty mail server",
        f"{told}; {tally['gone']} refused for good and shown as failed; {tally['again']} came "
        f"again under the same Message-ID, after {tally['attempts']:,} attempts",
        not any(tally[what] for what in MISTAKES),
    )
    yield Figure(
        f"{plan.kind}: faults of the mail server",
        f"{tally['faults']:,} of {tally['kinds']} kinds (at each step of SMTP), and "
        f"{tally['away']} times it refused connections",
        tally["faults"] > tally["letters"] / 10,
    )


def carry_out(plan: Plan) -> Counter[str]:
    """Owe the letters, deliver until none is owed, and compare."""
    logging.disable(logging.WARNING)
    smtp_connections.ANSWER_TIMEOUT_SECONDS /= SPEED
    quick = partial(delivery.SmtpDelivery, deadline=delivery.BATCH_TIMEOUT_SECONDS / SPEED)
    delivery.SmtpDelivery = quick  # type: ignore[misc]
    with (
        FaultyServer(SEED, plan.likely) as server,
        installed(plan.kind, MAIL_URL=server.url) as made,
        made.seen(),
    ):
        builders.publish(builders.file(INVITING))
        _owe(plan.letters)
        away = _deliver_all(server, made.clock)
        tally = _compare(server)
    tally.update(
        away=away,
        faults=server.faults.total(),
        kinds=len(server.faults),
    )
    return tally


def _owe(number: int) -> None:
    """Register so many people, for one discussion and the other in turn."""
    gone = list(GONE)
    for start in range(0, number, AT_A_TIME):
        with writing() as tx:
            for index in range(start, min(start + AT_A_TIME, number)):
                name = "person" if index % GONE_OF else gone[index // GONE_OF % len(gone)]
                entry = builders.entry(f"{name}.{index}@example.org")
                slug = (SLUG, AT_ONCE)[index % 2]
                register.register(tx, slug, entry)


def _deliver_all(server: FaultyServer, clock: Clock) -> int:
    """Let the worker come until no letter is owed; return how often nobody was there."""
    chance, away = random.Random(SEED), 0
    while _is_any_owed() and clock.ahead < LONGEST:
        is_away = chance.random() < AWAY
        away += is_away
        with server.away() if is_away else nullcontext():
            _deliver(clock)
    return away


def _deliver(clock: Clock) -> None:
    try:
        loop.deliver_due()
        clock.ahead += HOUR
    except (ServerUnavailable, MailStopped):
        clock.ahead += MOMENT


def _is_any_owed() -> bool:
    with reading() as tx:
        owed = select(Letter.id).where(Letter.state == LetterState.OWED).limit(1)
        return tx.scalar(owed) is not None


def _compare(server: FaultyServer) -> Counter[str]:
    """Return how many letters, duplicates and mistakes there are."""
    owed, arrived = _owed(), defaultdict(list)
    for recipient, content in server.letters:
        arrived[recipient].append(_read(content))
    gone = {address for address in owed if address.partition(".")[0] in GONE}
    return Counter(
        {
            "letters": len(owed),
            "attempts": sum(item.letter.attempts for item in owed.values()),
            "again": len(server.letters) - len(arrived),
            "gone": sum(owed[address].letter.state is LetterState.FAILED for address in gone),
        }
    ) + sum((_mistakes(owed[each], each in gone, arrived[each]) for each in owed), Counter())


def _mistakes(owed: Owed, is_gone: bool, arrived: list[letter_check.Letter | None]) -> Counter[str]:
    """Return what is wrong with one letter, each mistake once."""
    state, answer = owed.letter.state, owed.letter.server_answer or ""
    right = letter_check.Letter(owed.address, owed.message_id, owed.token)
    wrong = (
        not is_gone and (state is not LetterState.SENT or right not in arrived),
        len({letter.message_id for letter in arrived if letter}) > 1,
        None in arrived,
        any(letter not in {right, None} for letter in arrived),
        is_gone and (state is not LetterState.FAILED or bool(arrived)),
        "@" in answer or owed.address.partition("@")[0] in answer,
    )
    return Counter(what for what, is_so in zip(MISTAKES, wrong, strict=True) if is_so)


def _owed() -> dict[str, Owed]:
    """Return what is owed, by address."""
    with reading() as tx:
        ring, host = tx.keys, tx.settings.host
        found = tx.execute(
            select(Registration, Letter).join(Letter, Letter.registration_id == Registration.id)
        ).all()
    people = [(row.attendee(ring), letter) for row, letter in found]
    return {
        person.address: Owed(person.address, letter.message_id(ring, host), person.token, letter)
        for person, letter in people
    }


def _read(content: bytes) -> letter_check.Letter | None:
    try:
        return letter_check.read(content)
    except letter_check.Flawed:
        return None
