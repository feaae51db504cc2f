"""flask feed: list the calendar services that fetch the feed."""

from dataclasses import asdict

import click

from ..database import reading
from ..services.operations import feed_statistics
from .groups import Group, as_json, echo_json, echo_table

group = Group("feed")


@group.command("readers")
@as_json
def readers(*, as_json: bool) -> None:
    """List the kinds of calendar service that fetch the feed, and what they last took."""
    with reading() as tx:
        services = feed_statistics.readers(tx)
    if as_json:
        echo_json([_as_json(reader) for reader in services])
        return
    if not services:
        click.echo("No calendar service has fetched the feed within a month.")
        return
    header = ["service", "last fetch (UTC)", "today", "unchanged (304)", "has"]
    rows = [
        [
            reader.family,
            f"{reader.last_at:%Y-%m-%d %H:%M}",
            str(reader.fetches_today),
            f"{reader.share_not_modified:.0%}",
            "all" if reader.is_current else _as_of(reader),
        ]
        for reader in services
    ]
    echo_table(header, rows)


def _as_of(reader: feed_statistics.Reader) -> str:
    return f"what was there on {reader.took:%Y-%m-%d %H:%M}" if reader.took else "nothing"


def _as_json(reader: feed_statistics.Reader) -> dict[str, object]:
    times = {"last_at": reader.last_at.isoformat()}
    times["took"] = reader.took.isoformat() if reader.took else ""
    return asdict(reader) | times
