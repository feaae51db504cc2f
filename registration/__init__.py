"""Registration: a self-hosted calendar and registration service for online discussions."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from flask.templating import Environment

from . import app_context, cli, config, database

_PACKAGE = Path(__file__).parent

# Two imports below are in functions: most commands need neither templates nor pages, and would
# take twice as long to start with them.


class App(Flask):
    """A Flask app that prepares its template environment when it renders the first template."""

    def create_jinja_environment(self) -> Environment:
        """Return the template environment of pages and letters."""
        from . import templating  # noqa: PLC0415

        return templating.complete(super().create_jinja_environment())


def create_app(
    overrides: Mapping[str, Any] | None = None,
    clock: app_context.Clock | None = None,
    *,
    with_pages: bool = True,
) -> Flask:
    """Return the service as a Flask app, or raise `SettingsRefused`.

    `overrides` are settings that win over environment and file; `clock` returns the current time.
    Nothing is connected to or written before the first request or command.
    `app.extensions["add pages"]()` adds the pages to an app that was created without them.
    """
    settings = config.from_environment(overrides)
    app = App(__name__, instance_path=str(settings.instance), template_folder=str(_templates()))
    # If this is not set, the `flask` command creates the template environment to find it out.
    app.config["TEMPLATES_AUTO_RELOAD"] = app.debug
    app_context.init_app(app, settings, clock)
    database.init_app(app, settings.database_url)
    cli.init_app(app)

    @cache  # Flask refuses to register a page twice
    def add_pages() -> None:
        from . import web  # noqa: PLC0415

        web.init_app(app, settings)

    app.extensions["add pages"] = add_pages
    if with_pages:
        add_pages()
    return app


def _templates() -> Path:
    """Return the templates' folder: in the installed package, else at the root of the checkout."""
    packaged = _PACKAGE / "templates"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
