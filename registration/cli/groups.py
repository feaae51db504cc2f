"""Command groups that print refusals as one sentence, and functions that print JSON or tables."""

import json
import sys
from typing import Any

import click
from flask.cli import AppGroup

from .. import app_context
from ..crypto import key_lock, key_ring
from ..crypto.key_ring import KeysLocked
from ..refusals import Refusal
from ..services.operations import process_lock

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class RefusingCommand(click.Command):
    """A command whose refusals go to stderr, with exit status 1.

    Where the key is locked, it asks for the passphrase and runs again: nothing is done before a
    command has opened its keys.
    """

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            try:
                return super().invoke(context)
            except KeysLocked:
                unlock(ask_passphrase())
                return super().invoke(context)
        except Refusal as refusal:
            raise click.ClickException(str(refusal)) from refusal


def ask_passphrase(*, is_new: bool = False) -> str:
    """Return a passphrase, typed without echo, or the first line of standard input.

    A new one is typed twice at a terminal. Raises `KeysLocked` if there is none.
    """
    if sys.stdin.isatty():
        words = "New passphrase" if is_new else "Passphrase of the key"
        typed: str = click.prompt(words, hide_input=True, err=True, confirmation_prompt=is_new)
    else:
        typed = sys.stdin.readline().rstrip("\r\n")
    if not typed:
        raise KeysLocked(
            "The key is locked: type its passphrase at a terminal, or give it on standard input."
        )
    return typed


def unlock(passphrase: str) -> dict[str, bytes]:
    """Let this process use the locked keys, and return them. Raises `WrongPassphrase`."""
    folder = app_context.settings().keys
    roots = key_lock.open_all(folder, passphrase)
    key_ring.keep(folder, roots)
    return roots


class Group(AppGroup):
    """A group of such commands, run in the app's context."""

    command_class = RefusingCommand


def run_as_service() -> None:
    """Hold the service's process lock until the command ends, so that no backup is restored."""
    click.get_current_context().with_resource(
        process_lock.lock_for_service(app_context.settings().instance)
    )


def echo_json(value: Any) -> None:
    """Print a value as JSON, without escaping letters such as Cyrillic ones."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def echo_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a header and rows in aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
