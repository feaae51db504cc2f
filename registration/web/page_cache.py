"""Public answers as kept bytes: written once for each change, then served as they are.

An answer is right until something public changes (the content version) or until time alone makes
it say something else (`until`: a discussion begins, ends, or closes). Nobody's cookie matters.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Response, current_app, g, request

from ..database import Transaction, reading
from ..services.installation import content_version
from ..text.languages import language


@dataclass(frozen=True, slots=True)
class Made:
    """An answer as it was written: its bytes, when what it says last changed, until when it is
    right."""

    body: bytes
    content_type: str
    changed_at: datetime | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    made: Made
    made_at: datetime
    version: int
    etag: str

    def is_right(self, version: int, now: datetime) -> bool:
        """Whether nothing has changed since; a clock that was ahead tells nothing."""
        is_over = self.made.until is not None and now >= self.made.until
        return self.version == version and self.made_at <= now and not is_over


def kept(make: Callable[[Transaction], Made]) -> Response:
    """Answer the request from what is kept for its path, or with what `make` writes now."""
    shelf: dict[tuple[str, str], _Kept] = current_app.extensions.setdefault("kept", {})
    place = (request.path, language())
    with reading() as tx:
        now = tx.now
        version = content_version(tx)
        found = shelf.get(place)
        if found is None or not found.is_right(version, now):
            made = make(tx)
            found = _Kept(made, now, version, hashlib.sha256(made.body).hexdigest()[:32])
            shelf[place] = found
    return _respond(found, now)


def _respond(found: _Kept, now: datetime) -> Response:
    g.changed_at = changed_at = found.made.changed_at
    response = Response(found.made.body, content_type=found.made.content_type)
    response.set_etag(found.etag)
    # It counts whole seconds: within the second of a change there may come another.
    if changed_at and changed_at < now.replace(microsecond=0):
        response.last_modified = changed_at
    # Any cache may keep it, and asks each time whether it is still right.
    response.headers["Cache-Control"] = "public, no-cache"
    response.make_conditional(request)
    return response
