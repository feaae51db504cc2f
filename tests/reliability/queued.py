"""A discussion is moved, again and again, while two processes send the letters that are queued:
every letter tells what is true when it is sent, and at the end everybody knows what is, each told
of it once."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from multiprocessing import get_context
from typing import Any

from registration import app_context, create_app, database, outbox
from registration.mail import maildir
from registration.services.notices import change_notices
from registration.worker import loop

from .. import builders
from .figures import Figure, Scale
from .installations import SLUG, Installation, has_postgres, installed, skipped

LETTERS = 1_000
# Seconds between two amendments.
PAUSE = 0.3
ATTENDEES = 'registration = "open"\naddress_confirmation = false\nreminders = []\n'


def run(scale: Scale) -> Iterator[Figure]:
    """Move it on both kinds of database."""
    count = scale.of(LETTERS, 60)
    for kind in ("sqlite", "postgresql"):
        what = f"amendments while {count:,} letters are sent by two processes, {kind}"
        if kind == "postgresql" and not has_postgres():
            yield skipped(what, "there is no PostgreSQL")
            continue
        with installed(kind) as made:
            yield _figure(what, *_moved(made, count))


def _moved(made: Installation, count: int) -> tuple[int, dict[str, list[str]], str]:
    """Return how often it was moved, the times that the letters to each stated, and the last."""
    first = (app_context.utc_now() + timedelta(days=30)).replace(tzinfo=None, microsecond=0)
    moves = 0
    with made.seen():
        builders.publish(_file(first))
        for number in range(count):
            builders.register(SLUG, f"a{number}@example.org")
        database.engine().dispose()
        typed = {
            name: int(text) if text.isdigit() else text for name, text in made.settings.items()
        }
        hands = [get_context("spawn").Process(target=_deliver, args=(typed,)) for _ in range(2)]
        for hand in hands:
            hand.start()
        while any(hand.is_alive() for hand in hands):
            moves += 1
            builders.publish(_file(first + timedelta(hours=moves % 3)))
            time.sleep(PAUSE)
        last = builders.publish(_file(first + timedelta(hours=5)))
    made.clock.ahead = change_notices.CHANGE_GRACE + 2 * outbox.LEASE
    with made.seen():
        builders.deliver()
        told = _told(made)
    return moves + 1, told, f"{last.starts_at:%Y%m%dT%H%M%SZ}"


def _file(starts: datetime) -> bytes:
    ends = starts + timedelta(hours=1)
    times = f"starts = {starts.isoformat()}\nends = {ends.isoformat()}\n"
    return builders.file(ATTENDEES + times)


def _deliver(settings: dict[str, Any]) -> None:
    """Send what is due until nothing is."""
    with create_app(settings).app_context():
        while loop.deliver_due():
            pass
        database.engine().dispose()


def _told(made: Installation) -> dict[str, list[str]]:
    """Return the start that each letter's entry has, by address, in the order they were sent."""
    folder = made.app.extensions["settings"].mail.folder
    box, found = maildir.folder_at(folder), defaultdict(list)
    for key in reversed(maildir.newest_first(folder)):
        letter = message_from_bytes(box.get_bytes(key))
        found[str(letter["To"])].append(_start(letter))
    return found


def _start(letter: Message) -> str:
    (part,) = (part for part in letter.walk() if part.get_content_type() == "text/calendar")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().partition("DTSTART:")[2].split()[0]


def _figure(what: str, moves: int, told: dict[str, list[str]], last: str) -> Figure:
    """Everybody has a confirmation, and one letter of the change where that had become untrue."""
    know = [times for times in told.values() if times[-1] == last and times.count(last) == 1]
    most = max(map(len, told.values()))
    said = f"{moves} moves; {len(know):,} of {len(told):,} know the last; {most} letters at most"
    return Figure(what, said, len(know) == len(told) and most <= 2)
