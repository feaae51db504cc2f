"""The commands: five lines over a service each."""

from flask import Flask

from . import database, discussion, feed, keys, organizer, outbox, registrations, serve


def init_app(app: Flask) -> None:
    """Give `flask` the commands."""
    for command in (
        database.group,
        discussion.group,
        feed.group,
        keys.group,
        organizer.group,
        outbox.group,
        registrations.group,
        serve.serve,
    ):
        app.cli.add_command(command)
