"""flask organizer: add, list, remove and reset the accounts of organizers."""

import click

from .. import app_context
from ..database import reading, writing
from ..models import Organizer, Role
from ..services.organizers import accounts
from ..services.organizers.accounts import INVITATION_LIFE, Wanted
from ..text import addresses
from ..text.addresses import AddressRefused, EmailAddress
from .groups import Group, as_json, echo_json, echo_table

group = Group("organizer")
EMAIL = click.argument("email")


@group.command("add")
@EMAIL
@click.option("--role", type=click.Choice([role.value for role in Role]), help="What they may do.")
@click.option("--discussion", "slugs", multiple=True, metavar="SLUG", help="One they are given.")
@click.option("--partner", help="Whom attendees agreed to share with, as [[sharing]] names it.")
def add(email: str, role: str | None, slugs: tuple[str, ...], partner: str | None) -> None:
    """Let somebody sign in, and print the link that sets password and second factor; or give an
    organizer further discussions.

    An administrator may do everything. An organizer has the discussions that are named; a partner
    may only take what attendees of these agreed to share with it.
    """
    kind = Role(role) if role else (Role.PARTNER if partner else Role.ORGANIZER)
    with writing() as tx:
        token = accounts.add(tx, _address(email), Wanted(kind, slugs, partner))
    if token is None:
        click.echo(f"{email} has {', '.join(slugs)} now, too.")
    else:
        _echo_link(token)


@group.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """List who may sign in."""
    with reading() as tx:
        ring = tx.keys
        organizers = [
            {
                "email": item.identity(ring).address,
                "role": item.role.value,
                "partner": item.partner,
                "discussions": _discussions(item, [it.slug for it in given]),
                "state": "active" if item.password_hash else "invited",
            }
            for item in accounts.list_all(tx)
            for given in [accounts.discussions_of(tx, item)]
        ]
    if as_json:
        echo_json(organizers)
        return
    header = ["email", "role", "partner", "discussions", "state"]
    echo_table(header, [[_cell(row[name]) for name in header] for row in organizers])


@group.command("remove")
@EMAIL
def remove(email: str) -> None:
    """Let somebody sign in no more; whoever is signed in is signed out."""
    with writing() as tx:
        accounts.remove(tx, _address(email))
    click.echo(f"{email} may sign in no more.")


@group.command("reset")
@EMAIL
def reset(email: str) -> None:
    """Take password and second factor away, and print a link that sets new ones."""
    with writing() as tx:
        token = accounts.reset(tx, _address(email))
    _echo_link(token)


def _address(typed: str) -> EmailAddress:
    try:
        return addresses.parse(typed)
    except AddressRefused as error:
        raise click.BadParameter(str(error), param_hint="EMAIL") from None


def _echo_link(token: str) -> None:
    hours = INVITATION_LIFE.total_seconds() / 3600
    click.echo(app_context.links().invitation(token))
    click.echo(
        f"Hand this link over in a safe way: it works once, within {hours:.0f} hours.", err=True
    )


def _discussions(organizer: Organizer, slugs: list[str]) -> list[str] | None:
    return None if organizer.role is Role.ADMINISTRATOR else slugs


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value)
