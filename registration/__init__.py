"""Registration: a self-hosted calendar and registration service for online discussions."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from flask.templating import Environment

from . import app_context, cli, config, database

_PACKAGE = Path(__file__).parent

# Two imports below stand in functions: most commands need neither templates nor pages, and would
# start half as fast with them.


class App(Flask):
    """A Flask app whose templates are made ready when the first one is written."""

    def create_jinja_environment(self) -> Environment:
        """Return the environment of pages and letters."""
        from . import templating  # noqa: PLC0415

        return templating.complete(super().create_jinja_environment())


def create_app(
    overrides: Mapping[str, Any] | None = None,
    clock: app_context.Clock | None = None,
    *,
    with_pages: bool = True,
) -> Flask:
    """Return the service as a Flask app, or raise `SettingsRefused`.

    `overrides` are settings that win over environment and file; `clock` tells the time. Nothing
    is connected to or written before the first request or command. An app without pages gets them
    by `app.extensions["add pages"]()`.
    """
    found = config.from_environment(overrides)
    app = App(__name__, instance_path=str(found.instance), template_folder=str(_templates()))
    # Left open, the `flask` command would ask the templates' environment for it.
    app.config["TEMPLATES_AUTO_RELOAD"] = app.debug
    app_context.init_app(app, found, clock)
    database.init_app(app, found.database_url)
    cli.init_app(app)

    @cache  # Flask takes each page once
    def add_pages() -> None:
        from . import web  # noqa: PLC0415

        web.init_app(app, found)

    app.extensions["add pages"] = add_pages
    if with_pages:
        add_pages()
    return app


def _templates() -> Path:
    """Return the templates' folder: inside the installed package, else at the checkout's top."""
    packaged = _PACKAGE / "templates"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
