"""flask outbox: deliver, list and retry letters."""

import logging
import signal
import threading
from contextlib import suppress

import click
from flask import current_app

from .. import app_context
from .. import outbox as letters
from ..crypto.key_ring import KeysLocked
from ..database import reading, writing
from ..server import unlocking
from ..worker import loop
from .groups import Group, as_json, echo_json, echo_table, run_as_service

group = Group("outbox")


@group.command("deliver")
@click.option("--forever", is_flag=True, help="Go on until SIGTERM.")
def deliver(*, forever: bool) -> None:
    """Deliver the letters that are due, and erase what is due."""
    run_as_service()
    if not forever:
        app_context.open_keys()
        loop.run_housekeeping()
        count = loop.deliver_due()
        click.echo(f"{count} letters delivered.")
        return
    _deliver_forever()


def _deliver_forever() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with suppress(KeysLocked):  # `flask keys unlock` hands the key over
        app_context.open_keys()
    stop = threading.Event()
    # Not in the main thread: a signal handler could not set `stop` while this thread waits for it.
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    thread = threading.Thread(target=loop.run, args=(app, stop), name="mail")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    taking_keys = unlocking.listen(app, stop)
    thread.start()
    thread.join()
    if taking_keys:
        taking_keys.join()


@group.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """List the letters and where each stands, without anybody's name."""
    with reading() as tx:
        rows = [
            {
                "id": letter.id,
                "kind": letter.kind.value,
                "state": letter.state.value,
                "attempts": letter.attempts,
                "due_at": letter.due_at.isoformat(),
                "sent_at": letter.sent_at.isoformat() if letter.sent_at else None,
                "server_answer": letter.server_answer,
            }
            for letter in letters.every(tx)
        ]
    if as_json:
        echo_json(rows)
        return
    header = ["id", "kind", "state", "attempts", "due_at", "sent_at", "server_answer"]
    echo_table(header, [[str(row[name] or "") for name in header] for row in rows])


@group.command("retry")
@click.argument("ids", nargs=-1, type=click.IntRange(1, 2**31 - 1))
@click.option("--held", is_flag=True, help="Every letter that a restore held back.")
def retry(ids: tuple[int, ...], *, held: bool) -> None:
    """Owe letters again, now: those that failed, wait for another try, or are held."""
    if not ids and not held:
        raise click.UsageError("Name letters by their ids, or say --held.")
    with writing() as tx:
        asked = {*ids, *(letters.held_ids(tx) if held else ())}
        count = letters.retry(tx, list(asked))
    click.echo(f"{count} of {len(asked)} letters will be tried again.")
    if count < len(asked):
        raise click.ClickException("The others are sent already, or do not exist.")
