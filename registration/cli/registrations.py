"""flask registrations: who comes, on the screen or as CSV."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from .. import house
from ..database import reading
from ..refusals import Refusal
from ..services import exporting
from .groups import Group, as_json, echo_json, echo_table

group = Group("registrations", help="See and export who comes.")


class NotWritten(Refusal):
    """The export could not be written where it was asked for."""


@group.command("list")
@click.argument("slug")
@as_json
def list_(slug: str, *, as_json: bool) -> None:
    """List a discussion's registrations."""
    with reading() as session:
        names = exporting.header(session, slug)
    rows = list(exporting.attendees(reading, slug, house.ring))
    if as_json:
        names.append("shared_with")
        echo_json([{name: row.get(name, "") for name in names} for row in rows])
        return
    shown = ["registered_at", "status", "name", "email", "affiliation", "letter_state"]
    echo_table(shown, [[row[name] for name in shown] for row in rows])


@group.command("export")
@click.argument("slug")
@click.option("--output", type=click.Path(path_type=Path), help="A file; else standard output.")
@click.option("--columns", help="Names of columns, with commas between them; else all.")
@click.option("--separator", default=",", help="What stands between cells: , or ; (or tab).")
def export(slug: str, output: Path | None, columns: str | None, separator: str) -> None:
    """Export a discussion's registrations as CSV (UTF-8 with BOM)."""
    separator = "\t" if separator in {"tab", "\\t"} else separator
    if separator not in {",", ";", "\t"}:
        raise click.BadParameter("must be , or ; or tab", param_hint="--separator")
    chosen = [name.strip() for name in columns.split(",")] if columns else None
    with reading() as session:
        names = exporting.header(session, slug, chosen)
    rows = exporting.attendees(reading, slug, house.ring)
    lines = exporting.lines(rows, names, separator)
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line.encode())
        sys.stdout.buffer.flush()
    else:
        _write(output, lines)


def _write(output: Path, lines: Iterable[str]) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    if not output.name:
        raise NotWritten(f"{output} is a folder: name a file.")
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.writelines(line.encode() for line in lines)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(output)
    except OSError as error:
        raise NotWritten(f"{output} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
