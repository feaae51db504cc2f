"""A cache of public answers: each is written once for each change, then served as bytes.

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
    """An answer as it was written: its bytes, the time of the last change of its content, and the
    time until which it is valid."""

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
        """Whether nothing has changed since; not if the clock was ahead when it was made."""
        is_over = self.made.until is not None and now >= self.made.until
        return self.version == version and self.made_at <= now and not is_over


def kept(make: Callable[[Transaction], Made]) -> Response:
    """Answer the request from what is kept for its path, or with what `make` writes now."""
    shelf: dict[tuple[str, str], _Kept] = current_app.extensions.setdefault("kept", {})
    key = (request.path, language())
    with reading() as tx:
        now = tx.now
        version = content_version(tx)
        answer = shelf.get(key)
        if answer is None or not answer.is_right(version, now):
            made = make(tx)
            answer = _Kept(made, now, version, hashlib.sha256(made.body).hexdigest()[:32])
            shelf[key] = answer
    return _respond(answer, now)


def _respond(answer: _Kept, now: datetime) -> Response:
    g.changed_at = changed_at = answer.made.changed_at
    response = Response(answer.made.body, content_type=answer.made.content_type)
    response.set_etag(answer.etag)
    # It counts whole seconds: within the second of a change there may come another.
    if changed_at and changed_at < now.replace(microsecond=0):
        response.last_modified = changed_at
    # Any cache may keep it, and asks each time whether it is still right.
    response.headers["Cache-Control"] = "public, no-cache"
    response.make_conditional(request)
    return response
