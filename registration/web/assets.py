"""Style sheets, scripts and icons, under addresses that change with their content."""

import hashlib
import re
from functools import cache
from io import BytesIO
from pathlib import Path

from flask import Flask, Response, send_file, url_for

STATIC = Path(__file__).parent.parent / "static"
A_YEAR_SECONDS = 365 * 24 * 60 * 60
# One component a file, in the order in which a browser reads them: later ones win. A page asks for
# all of them at once, under this name.
STYLES = "styles.css"
COMPONENTS = (
    "tokens",
    "document",
    "site",
    "page",
    "person",
    "button",
    "note",
    "form",
    "agenda",
    "held",
    "letter",
    "numbers",
    "chart",
    "table",
    "changes",
    "sign-in",
    "print",
)
_COMMENTS_AND_SPACE = re.compile(rb"/\*.*?\*/\s*|(?<=[;{},])\s+", re.DOTALL)


def init_app(app: Flask) -> None:
    """Let caches keep assets for a year: a changed one has another address."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = A_YEAR_SECONDS
    app.jinja_env.globals["asset"] = asset
    app.add_url_rule(f"{app.static_url_path}/{STYLES}", "styles", _styles)


def asset(name: str) -> str:
    """Return the address of a file in `static/`, or of the style sheets."""
    return url_for("static", filename=name, v=_version(name))


@cache
def styles() -> bytes:
    """Return all style sheets as one."""
    sheets = [(STATIC / "css" / f"{name}.css").read_bytes() for name in COMPONENTS]
    return _COMMENTS_AND_SPACE.sub(b"", b"".join(sheets))


def _styles() -> Response:
    response = send_file(BytesIO(styles()), mimetype="text/css", etag=_version(STYLES))
    # The preview of a draft is in a sandbox, which is of no origin, and needs the styles too.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def _version(name: str) -> str:
    content = styles() if name == STYLES else (STATIC / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]
