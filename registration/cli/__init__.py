"""The commands: five lines over a service each.

`flask` asks for every command when it completes or prints its help, and runs one of them. So each
module is imported when its command runs: what `serve` needs, `registrations list` does not.
"""

from pkgutil import resolve_name
from typing import Any

import click
from flask import Flask

COMMANDS = {
    "database": (
        "registration.cli.database:group",
        "Make, upgrade, check, back up and restore the database.",
    ),
    "discussion": ("registration.cli.discussion:group", "Publish discussions."),
    "feed": ("registration.cli.feed:group", "Look at who reads the calendar."),
    "keys": ("registration.cli.keys:group", "List and rotate the keys that seal personal data."),
    "organizer": (
        "registration.cli.organizer:group",
        "Say who may sign in, and with which discussions.",
    ),
    "outbox": ("registration.cli.outbox:group", "Deliver, list and retry letters."),
    "registrations": (
        "registration.cli.registrations:group",
        "See and export who comes, and erase them.",
    ),
    "serve": ("registration.cli.serve:serve", "Serve pages, calendars and mail until SIGTERM."),
}


class LazyCommand(click.Command):
    """A command or group that is known by name and help, and imported when it is used."""

    def __init__(self, name: str, place: str, help_text: str) -> None:
        super().__init__(name, help=help_text)
        self.place = place

    def load(self) -> click.Command:
        """Return the command itself."""
        command: click.Command = resolve_name(self.place)
        command.help = self.help
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse `args` as the command itself does; what is invoked is then the command itself."""
        return self.load().make_context(info_name, args, parent, **extra)


def init_app(app: Flask) -> None:
    """Give `flask` the commands."""
    for name, (place, help_text) in COMMANDS.items():
        app.cli.add_command(LazyCommand(name, place, help_text))
