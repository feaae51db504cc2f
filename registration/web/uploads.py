"""How large a body may be: a form that anybody may send, one of the desk, or an import. All stay in
memory, never in a file."""

import io
from functools import partial
from typing import IO, Any

from flask import Flask, Request, request
from werkzeug.exceptions import HTTPException

from ..discussion_file.form_size import MAX_FORM_BYTES
from .organizer import cookies
from .route_properties import property_of

# The form of a discussion with many long biographies, percent-encoded.
MAX_DESK_FORM_BYTES = 500 * 1024
# A file of `imports.MAX_BYTES`, in base64 where it is sent back after a look, and a form around.
MAX_UPLOAD_BYTES = 9 * 1024 * 1024


class InMemory(Request):
    """A request whose files are kept in memory: Werkzeug would write larger ones into temporary
    files, in the clear."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()


def init_app(app: Flask) -> None:
    """Limit the bodies that `app` takes, and keep them in memory."""
    app.request_class = InMemory
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM_BYTES, MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES)
    # The server calls this before it reads a body.
    app.extensions["body limit"] = partial(_limit_of_path, app)
    app.before_request(_raise_limit)


def is_one() -> bool:
    """Whether the request goes to a view that takes uploads."""
    return bool(property_of(request.endpoint, "takes_upload"))


def _limit_of_path(app: Flask, path: str, cookie_header: str) -> int:
    """Return how many bytes the body of a POST to `path` may have."""
    try:
        endpoint, _values = app.url_map.bind("").match(path, method="POST")
    except HTTPException:
        return MAX_FORM_BYTES
    with app.app_context():
        return _limit(
            endpoint, is_organizer=bool(app.secret_key) and cookies.has_device(cookie_header)
        )


def _limit(endpoint: str | None, *, is_organizer: bool) -> int:
    """Return how many bytes a body for the view of an endpoint may have.

    More than a public form is taken only at the desk behind the sign-in, and only from a browser in
    which an organizer has signed in before: nobody else can fill the memory. Whether they are
    signed in now is not asked: an organizer whose session has ended gets the text back.
    """
    is_desk = (endpoint or "").startswith("organizer.")
    if not (is_desk and is_organizer) or property_of(endpoint, "open_to_all"):
        return MAX_FORM_BYTES
    return MAX_UPLOAD_BYTES if property_of(endpoint, "takes_upload") else MAX_DESK_FORM_BYTES


def _raise_limit() -> None:
    limit = _limit(request.endpoint, is_organizer=bool(cookies.device()))
    request.max_content_length = request.max_form_memory_size = limit
