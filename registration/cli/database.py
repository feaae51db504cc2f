"""flask database: the tables, brought up to date and checked."""

from pathlib import Path

import click

from .. import database, house
from ..database import DatabaseUnavailable
from ..services import installing, migrating
from .groups import Group

group = Group("database", help="Make, upgrade and check the database.")


@group.command("upgrade")
def upgrade() -> None:
    """Bring the tables up to date; make database and keys where there are none."""
    _make_folder(house.settings().instance)
    migrating.upgrade(database.engine())
    with database.writing() as session:
        installing.install(session, house.settings().keys, house.settings().credentials)
    house.open_keys()
    click.echo("The database is up to date.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"{folder} cannot be made: {error.strerror}.") from None


@group.command("check")
def check() -> None:
    """Check that the tables are this version's and the keys are the ones that sealed them."""
    house.open_keys()
    click.echo("The database and its keys are in order.")
