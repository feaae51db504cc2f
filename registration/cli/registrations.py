"""flask registrations: list, export as CSV and erase registrations."""

import sys
from pathlib import Path

import click

from .. import app_context
from ..database import is_scrub_due, reading, writing
from ..services.attendees import export_files, exports
from ..services.attendees.export_records import KEPT_FOR, Source
from .groups import Group, as_json, echo_json, echo_table

# Printed after each export to a file.
KEPT = (
    f"{{}} is deleted after {KEPT_FOR.days} days. Until then, people who are erased here leave it "
    "too, unless you move or change it."
)

group = Group("registrations")


@group.command("list")
@click.argument("slug")
@as_json
def list_(slug: str, *, as_json: bool) -> None:
    """List a discussion's registrations."""
    app_context.open_keys()
    with reading() as tx:
        names = exports.header(tx, slug)
    rows = list(exports.attendees(reading, slug))
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
    app_context.open_keys()
    with reading() as tx:
        names = exports.header(tx, slug, chosen)
    if output:
        source = Source(reading, writing, app_context.settings().keys)
        export_files.write(source, slug, output, names, separator, app_context.now())
        click.echo(KEPT.format(output), err=True)
        return
    for line in exports.csv_lines(exports.attendees(reading, slug), names, separator):
        sys.stdout.buffer.write(line.encode())
    sys.stdout.buffer.flush()


@group.command("purge")
@click.option("--now", "slug", metavar="SLUG", help="Everybody of this discussion, due or not.")
def purge(slug: str | None) -> None:
    """Erase the registrations whose time has come, and say how many they were."""
    # Most of the service, of which the other commands here need little.
    from ..worker import housekeeping  # noqa: PLC0415

    app_context.open_keys()
    receipt = housekeeping.erase_all(slug) if slug else housekeeping.erase_due()
    click.echo(f"Erased {receipt}.")
    for sentence in housekeeping.finish_erasures():
        click.echo(sentence)
    if is_scrub_due():
        click.echo("The journal is in use: the worker's next round empties it, within the hour.")
