"""The limits of a body: a form, or an organizer's import. Both stay in memory, never in a file."""

import io
from functools import partial
from typing import IO, Any

from flask import Flask, Request, request
from werkzeug.exceptions import HTTPException

from .organizer import cookies
from .route_properties import property_of

# Twenty long answers in the widest script, percent-encoded, fit. Werkzeug writes what is sent as a
# file into a temporary one, in the clear, if it is larger than this.
LARGEST_BODY = 500 * 1024
# A file of `imports.MAX_BYTES`, in base64 where it is sent back after a look, and a form around.
LARGEST = 9 * 1024 * 1024


class InMemory(Request):
    """A request whose files are kept in memory: Werkzeug would write larger ones into temporary
    files, in the clear."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()


def init_app(app: Flask) -> None:
    """Let `app` take uploads, in memory."""
    app.request_class = InMemory
    app.config["LARGEST_UPLOAD"] = LARGEST
    # The server calls this before it reads a body.
    app.extensions["is upload"] = partial(_may_come, app)
    app.before_request(_raise_limit)


def is_one() -> bool:
    """Whether the request goes to a view that takes uploads."""
    return bool(property_of(request.endpoint, "takes_upload"))


def _may_come(app: Flask, path: str, cookie_header: str) -> bool:
    """Whether a body may be larger than a form: for a route that takes uploads, from a browser in
    which an organizer has signed in before. Nobody else can fill the memory."""
    try:
        endpoint, _values = app.url_map.bind("").match(path, method="POST")
    except HTTPException:
        return False
    with app.app_context():
        takes = property_of(endpoint, "takes_upload")
        return bool(takes and app.secret_key and cookies.has_device(cookie_header))


def _raise_limit() -> None:
    if is_one():
        request.max_content_length = request.max_form_memory_size = LARGEST
