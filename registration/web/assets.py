"""Style sheets, scripts and icons, under addresses that change with their content."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for

STATIC = Path(__file__).parent.parent / "static"
A_YEAR = 365 * 24 * 60 * 60


def init_app(app: Flask) -> None:
    """Let caches keep assets for a year: a changed one has another address."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = A_YEAR
    app.jinja_env.globals["asset"] = asset


def asset(name: str) -> str:
    """Return the address of a file in `static/`."""
    return url_for("static", filename=name, v=_version(name))


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
