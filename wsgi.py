"""The WSGI entry point, for `flask` and for any WSGI server (`wsgi:app`)."""

import sys

import click

from registration import create_app
from registration.config import SettingsRefused

# While `flask` looks for a command of this service, its context is the only one. These commands
# need no pages, and `flask serve` adds them. Flask's own (run, routes, shell) load the app within
# contexts of their own.
context = click.get_current_context(silent=True)
is_for_command = context is not None and context.parent is None

try:
    app = create_app(with_pages=not is_for_command)
except SettingsRefused as refused:
    sys.exit(str(refused))
