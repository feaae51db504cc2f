"""Command groups that print refusals as one sentence, and functions that print JSON or tables."""

import json
from typing import Any

import click
from flask.cli import AppGroup

from .. import app_context
from ..refusals import Refusal
from ..services.operations import process_lock

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class RefusingCommand(click.Command):
    """A command whose refusals go to stderr, with exit status 1."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except Refusal as refusal:
            raise click.ClickException(str(refusal)) from refusal


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
