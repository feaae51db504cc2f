"""flask keys: list and rotate the keys that seal personal data."""

import click

from .. import app_context
from ..database import reading, scrub, writing
from ..services.operations import key_rotation
from .groups import Group, as_json, echo_json, echo_table

group = Group("keys")


@group.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """List the keys: which one seals, and how many registrations each opens."""
    settings = app_context.settings()
    with reading() as tx:
        keys = key_rotation.list_keys(tx, settings.keys, settings.credentials)
    listed = [
        {
            "fingerprint": key.fingerprint,
            "made_at": key.made_at.isoformat(timespec="seconds") if key.made_at else None,
            "in_use": key.is_in_use,
            "registrations": key.registrations,
        }
        for key in keys
    ]
    if as_json:
        echo_json(listed)
        return
    header = ["fingerprint", "made_at", "in_use", "registrations"]
    echo_table(header, [[_cell(row[name]) for name in header] for row in listed])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


@group.command("rotate")
def rotate() -> None:
    """Make a key, and seal everything with it. A running service goes on with the new key."""
    settings = app_context.settings()
    app_context.open_keys()
    with writing() as tx:
        done = key_rotation.rotate(tx, settings.keys, settings.credentials)
    scrub()
    click.echo(f"{done.registrations} registrations are sealed with the new key {done.made}.")
    click.echo(
        f"Keep a copy of its file. The old key {done.replaced} opens backups made before now: "
        "delete its file with the last of them."
    )
