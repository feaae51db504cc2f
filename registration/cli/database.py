"""flask database: upgrade and check the database, back it up and restore it."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from .. import app_context, database
from ..crypto.key_ring import KeysLocked
from ..database import DatabaseUnavailable
from ..services import installation
from ..services.operations import migration
from ..services.operations.backups import creation, restoration
from ..services.operations.backups.restoration import Restored
from .groups import Group, as_json, echo_json, run_as_service

group = Group("database")
FILE = click.argument("file", type=click.Path(path_type=Path))


@group.command("upgrade")
def upgrade() -> None:
    """Bring the tables up to date; make database and keys where there are none."""
    settings = app_context.settings()
    _make_folder(settings.instance)
    run_as_service()
    migration.upgrade(
        database.engine(),
        ring_of=lambda name: installation.ring_with(name, settings.keys, settings.credentials),
    )
    with database.writing() as tx:
        installation.install(tx, settings.keys, settings.credentials)
    with suppress(KeysLocked):  # the tables need no key
        app_context.open_keys()
    app_context.record_missing_erasures()
    click.echo("The database is up to date.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"{folder} cannot be made: {error.strerror}.") from None


@group.command("check")
def check() -> None:
    """Check that the tables are this version's and the keys are the ones that sealed them."""
    app_context.open_keys()
    click.echo("The database and its keys are in order.")


@group.command("backup")
@FILE
def backup(file: Path) -> None:
    """Write all that is in the database to FILE, while the service runs."""
    creation.back_up(database.engine(), file, now=app_context.now())
    click.echo(f"{file} is a whole backup. The keys are not in it: keep them apart.")
    with database.writing() as tx:
        creation.note_backup(tx)


@group.command("restore")
@FILE
@as_json
def restore(file: Path, *, as_json: bool) -> None:
    """Make the database from a backup, where there is none. The service must not run."""
    settings = app_context.settings()
    done = restoration.restore(database.engine(), file, settings=settings, now=app_context.now())
    if as_json:
        made_at = done.backed_up_at and done.backed_up_at.isoformat(timespec="seconds")
        until = done.waits_until and done.waits_until.isoformat(timespec="seconds")
        echo_json(asdict(done) | {"backed_up_at": made_at, "waits_until": until})
        return
    for sentence in _describe(done, settings.keys):
        click.echo(sentence)


def _describe(done: Restored, keys: Path) -> list[str]:
    made = f" of {done.backed_up_at:%Y-%m-%d %H:%M} UTC" if done.backed_up_at else ""
    sentences = [
        f"The backup{made} is restored.",
        f"Discussions: {done.discussions}. Registrations: {done.registrations}.",
        f"Erased again: {done.erased_again}. Erased as due: {done.erased_as_due}.",
        "Delete exports and letters kept since the backup: nobody is erased from them now.",
    ]
    if done.waits_until:
        sentences.append(
            "The backup is older than two days, or the clock is wrong: erasure waits until "
            f"{done.waits_until:%Y-%m-%d %H:%M} UTC."
        )
    if not done.is_list_there:
        sentences.append(f"{keys} has no list of erasures: whoever was erased since is back.")
    if done.held:
        sentences.append(
            f"Letters held: {len(done.held)}. `flask outbox list` shows, "
            "`flask outbox retry --held` sends them."
        )
    if done.has_newer_key:
        sentences.append(f"{keys} has a newer key: `flask keys rotate` seals everything anew.")
    return sentences
