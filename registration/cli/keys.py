"""flask keys: list and rotate the keys that seal personal data; lock and unlock them."""

from pathlib import Path

import click

from .. import app_context, files
from ..crypto import key_lock
from ..crypto.key_ring import KeysRefused, plain_files, read_keys
from ..database import reading, scrub, writing
from ..server import unlocking
from ..services.operations import key_rotation
from .groups import Group, as_json, ask_passphrase, echo_json, echo_table, unlock

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
    made = _make_locked() if key_lock.names(settings.keys) else None
    app_context.open_keys()
    with writing() as tx:
        done = key_rotation.rotate(tx, settings.keys, settings.credentials, made)
    scrub()
    click.echo(f"{done.registrations} registrations are sealed with the new key {done.made}.")
    click.echo(
        f"Keep a copy of its file. The old key {done.replaced} opens backups made before now: "
        "delete its file with the last of them."
    )
    if settings.at_risk and not made:
        click.echo(f"{settings.keys} has the new key in the clear: make it a credential now.")


def _make_locked() -> str:
    """Make a key with the passphrase of the others, and give it to the running processes first."""
    settings = app_context.settings()
    passphrase = ask_passphrase()
    roots = unlock(passphrase)
    made = key_lock.make(settings.keys, passphrase)
    root = read_keys(settings.keys)[made]
    unlocking.hand_over(settings.instance, roots | {made: root})
    return made


@group.command("lock")
@click.option("--new", is_flag=True, help="Make the key of a new installation.")
@click.option("--new-passphrase", is_flag=True, help="Change the passphrase of the locked keys.")
def lock(*, new: bool, new_passphrase: bool) -> None:
    """Protect the key files with a passphrase; keys in the clear are deleted afterwards.

    Without the passphrase, or without the locked files, nobody can read the registrations again.
    """
    if new_passphrase:
        names = _change_passphrase()
    else:
        names = _lock(new=new)
        click.echo("Restart the service now, then run `flask keys unlock`.")
    click.echo(f"Locked: {', '.join(names)}.")
    click.echo(
        f"Copy the .locked files of {app_context.settings().keys} to another place, and keep the "
        "passphrase on paper in a third: without both, nobody can read the registrations again."
    )


def _change_passphrase() -> list[str]:
    folder = app_context.settings().keys
    roots = unlock(ask_passphrase())
    passphrase = ask_passphrase(is_new=True)
    key_lock.check(passphrase)
    key_lock.change_passphrase(folder, roots, passphrase)
    return sorted(roots)


def _lock(*, new: bool) -> list[str]:
    settings = app_context.settings()
    plain, locked = plain_files(settings.keys), key_lock.names(settings.keys)
    has_key = bool(locked or read_keys(settings.keys, settings.credentials))
    if new is has_key or (not new and not plain):
        raise KeysRefused(_why_not(settings.keys, new=new))
    passphrase = ask_passphrase(is_new=not locked)
    if locked:
        unlock(passphrase)  # one passphrase opens them all
    else:
        key_lock.check(passphrase)
    return [key_lock.make(settings.keys, passphrase)] if new else _lock_all(passphrase)


def _why_not(folder: Path, *, new: bool) -> str:
    if new:
        return "There is a key already, and a second one would open nothing: leave --new out."
    return f"{folder} has no key in the clear. A new installation makes one: --new."


def _lock_all(passphrase: str) -> list[str]:
    """Lock each key file, and delete it once the locked one was read back."""
    folder = app_context.settings().keys
    roots = read_keys(folder)
    names = []
    for path in plain_files(folder):
        names.append(key_lock.lock(folder, roots[path.stem.rpartition("_")[2]], passphrase))
        path.unlink()
        files.sync(folder)
    return names


@group.command("unlock")
def unlock_() -> None:
    """Ask for the passphrase, and hand the key to each process that waits for it."""
    settings = app_context.settings()
    if not key_lock.names(settings.keys):
        raise KeysRefused(f"{settings.keys} has no locked key: nothing waits for a passphrase.")
    answers = unlocking.hand_over(settings.instance, unlock(ask_passphrase()))
    if not answers:
        raise KeysRefused("No process waits for the key: start `flask serve` first.")
    for refused in filter(None, answers):
        raise KeysRefused(refused)
    click.echo(f"Handed to {len(answers)} running processes.")
