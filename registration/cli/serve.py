"""flask serve: the production server with its mail worker in one process."""

import logging
from contextlib import suppress

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from .. import app_context
from ..config import is_loopback
from ..crypto.key_ring import KeysLocked
from ..server import http_server
from .groups import RefusingCommand, run_as_service

PORTS = click.IntRange(1, 65535)


@click.command("serve", cls=RefusingCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind.")
@click.option("--port", type=PORTS, default=8000, show_default=True, envvar="PORT")
@click.option(
    "--without-mail", is_flag=True, help="Send and erase nothing: a worker elsewhere does."
)
@with_appcontext
def serve(host: str, port: int, *, without_mail: bool) -> None:
    """Serve pages, calendars and mail until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    app.extensions["add pages"]()
    app.extensions["settings"] = app_context.settings().on_port(port)
    app.config["BOUND_TO_LOOPBACK"] = is_loopback(host)
    run_as_service()
    with suppress(KeysLocked):  # `flask keys unlock` hands the key over
        app_context.open_keys()
    http_server.serve(app, host, port, with_mail=not without_mail)
