"""Requests as the server takes them: whole in good time, and such as can be read in one way only.

A proxy before it that read the same bytes otherwise would let one visitor's request pass for
another's (RFC 9112 11.2). So what waitress would mend or guess is refused here, and the connection
with it.
"""

import re
import time
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, RequestEntityTooLarge

# Bodies of forms are refused beyond this. The pages themselves take less (web.LARGEST_BODY), and
# can tell in words that it is too much.
LARGEST_BODY = 1024 * 1024
# Seconds from a request's first byte to its last: a form over a bad line takes a fraction.
LONGEST = 120.0
# Bytes of answers that a client may leave unread and still be answered.
MOST_UNREAD = 1024 * 1024
_REFUSED = "This is no HTTP request as this server takes them."
_FOLDED = re.compile(rb"\r\n[ \t]")
_CODED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class LengthRequired(BadRequest):  # type: ignore[misc]  # waitress has no types
    """A body without a length: no browser sends a form so."""

    code = 411
    reason = "Length Required"


class RequestTimeout(BadRequest):  # type: ignore[misc]  # waitress has no types
    """A request that takes too long to come."""

    code = 408
    reason = "Request Timeout"


class Request(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """A request on its way in."""

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.monotonic()

    def received(self, data: bytes) -> int:
        """Take more of the request, and return how many bytes were its own."""
        if not self.completed and time.monotonic() - self.began > LONGEST:
            self.refuse(RequestTimeout("It took too long to come."))
            return len(data)
        taken: int = super().received(data)
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers; `ParsingError` where they could be misread."""
        try:
            super().parse_header(header_plus)
        except (ParsingError, ValueError):  # an address or a number that Python cannot read
            raise ParsingError(_REFUSED) from None
        is_told_apart = self.version in {"1.0", "1.1"} and not _FOLDED.search(header_plus)
        if not is_told_apart or _CONTROL.search(self.first_line):
            raise ParsingError(_REFUSED)
        if self.proxy_netloc:  # RFC 9112 3.2.2: it counts, and not the Host header
            self.headers["HOST"] = self.proxy_netloc
        if _CODED.search(header_plus):
            self.refuse(LengthRequired("Send it with a Content-Length."))
        elif self.content_length >= LARGEST_BODY and not self._is_upload():
            self.refuse(RequestEntityTooLarge("More was sent than is taken here."))

    def _is_upload(self) -> bool:
        """Whether it is one of the few that may be larger than a form, as the app tells."""
        is_upload: Callable[[str, str], bool] = self.adj.is_upload
        return is_upload(self.path, self.headers.get("COOKIE", ""))

    def refuse(self, error: BadRequest) -> None:
        """Answer with `error`, and take nothing more."""
        self.error, self.completed = error, True


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection on which such requests come."""

    parser_class = Request

    def service(self) -> None:
        """Answer one request, unless too much of the answers before it is unread.

        waitress itself would let a thread wait for whoever asks ahead and reads nothing: as many
        of them as there are threads would hold everybody up.
        """
        if self.total_outbufs_len <= MOST_UNREAD:
            super().service()
            return
        with self.requests_lock:
            for request in self.requests:
                request.close()
            self.requests.clear()
        self.will_close = True
        self.server.pull_trigger()
