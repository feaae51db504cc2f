"""Registration: a self-hosted calendar and registration service for online discussions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from . import cli, config, database, house, templating, web

_PACKAGE = Path(__file__).parent


def create_app(
    overrides: Mapping[str, Any] | None = None, clock: house.Clock | None = None
) -> Flask:
    """Return the service as a Flask app, or raise `SettingsRefused`.

    `overrides` are settings that win over environment and file; `clock` tells the time. Nothing
    is connected to or written before the first request or command.
    """
    found = config.from_environment(overrides)
    app = Flask(__name__, instance_path=str(found.instance), template_folder=str(_templates()))
    house.init_app(app, found, clock)
    database.init_app(app, found.database_url)
    templating.init_app(app)
    web.init_app(app, found)
    cli.init_app(app)
    return app


def _templates() -> Path:
    """Return the templates' folder: inside the installed package, else at the checkout's top."""
    packaged = _PACKAGE / "templates"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "templates"
