"""The command groups of `flask`, each imported only when its command runs.

`flask` looks up every command to print its help, and runs one of them. Without the imports of the
other groups it starts faster.
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
    "keys": (
        "registration.cli.keys:group",
        "List, rotate, lock and unlock the keys that seal personal data.",
    ),
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
    """A command or group with name and help; its module is imported when it runs."""

    def __init__(self, name: str, import_path: str, help_text: str) -> None:
        super().__init__(name, help=help_text)
        self.import_path = import_path

    def load(self) -> click.Command:
        """Return the command itself."""
        command: click.Command = resolve_name(self.import_path)
        command.help = self.help
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of the loaded command, so that click invokes that one."""
        return self.load().make_context(info_name, args, parent, **extra)


def init_app(app: Flask) -> None:
    """Add the commands to `flask`."""
    for name, (import_path, help_text) in COMMANDS.items():
        app.cli.add_command(LazyCommand(name, import_path, help_text))
