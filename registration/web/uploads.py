"""What may be larger than a form: an organizer's import. It is kept in memory, never in a file."""

import io
import re
from functools import partial
from typing import IO, Any

from flask import Flask, Request, request

from .organizer import PREFIX
from .organizer import cookies as cookie

# A file of `importing.MOST_BYTES`, in base64 where it is sent back after a look, and a form around.
LARGEST = 9 * 1024 * 1024
_ENDPOINT = "organizing.submit_import"
_PATH = re.compile(rf"{PREFIX}/discussions/[a-z0-9-]+/attendees/import")


class InMemory(Request):
    """A request whose files are kept in memory: Werkzeug would write larger ones into temporary
    files, in the clear."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()


def init_app(app: Flask) -> None:
    """Let `app` take them."""
    app.request_class = InMemory
    app.config["LARGEST_UPLOAD"] = LARGEST
    # What the server asks of a body while it comes.
    app.extensions["is upload"] = partial(_may_come, app)
    app.before_request(_raise_limit)


def is_one() -> bool:
    """Whether the request is one of those that may be so large."""
    return request.endpoint == _ENDPOINT


def _may_come(app: Flask, path: str, cookies: str) -> bool:
    """Whether the server is to take in more than a form: for this address, and from a browser in
    which an organizer has signed in before. Nobody else can fill the memory."""
    with app.app_context():
        return bool(_PATH.fullmatch(path) and app.secret_key and cookie.has_device(cookies))


def _raise_limit() -> None:
    if is_one():
        request.max_content_length = request.max_form_memory_size = LARGEST
