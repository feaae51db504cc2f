"""A strict request parser: it refuses slow, oversized and ambiguous requests.

If a proxy parsed the same bytes differently, it could mistake one visitor's request for another's
(request smuggling, RFC 9112 11.2). So the parser refuses what waitress would repair or guess, and
closes the connection.
"""

import re
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver
from waitress.utilities import BadRequest, RequestEntityTooLarge

# A body that is larger than the app permits is dropped while it is read, so that the browser sends
# all of it and then shows the app's page. A body that is larger than this too is not read.
MAX_DROPPED_BYTES = 1024 * 1024
# From a request's first byte to its last; a form takes a fraction of it, even on a slow line.
REQUEST_TIMEOUT_SECONDS = 120.0
# A client that leaves more than this unread gets no further answer.
MAX_UNREAD_BYTES = 1024 * 1024
_REFUSED = "This is no HTTP request as this server takes them."
_FOLDED = re.compile(rb"\r\n[ \t]")
_CODED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class LengthRequired(BadRequest):  # type: ignore[misc]  # waitress has no types
    """A body without a Content-Length, which browsers never send for a form."""

    code = 411
    reason = "Length Required"


class RequestTimeout(BadRequest):  # type: ignore[misc]  # waitress has no types
    """A request that does not arrive in time."""

    code = 408
    reason = "Request Timeout"


class Dropped:
    """A buffer, as waitress uses it, that keeps nothing."""

    def __len__(self) -> int:
        return 0

    def append(self, data: bytes) -> None:
        """Keep nothing of `data`."""

    def getfile(self) -> BytesIO:
        """Return an empty file."""
        return BytesIO()

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


class Request(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """An incoming request."""

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.monotonic()

    def received(self, data: bytes) -> int:
        """Parse more of the request, and return how many of the bytes belong to it."""
        if not self.completed and time.monotonic() - self.began > REQUEST_TIMEOUT_SECONDS:
            self.refuse(RequestTimeout("It took too long to come."))
            return len(data)
        taken: int = super().received(data)
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Parse request line and headers; `ParsingError` if they are ambiguous."""
        try:
            super().parse_header(header_plus)
        except (ParsingError, ValueError):  # an address or a number that Python cannot parse
            raise ParsingError(_REFUSED) from None
        is_unambiguous = self.version in {"1.0", "1.1"} and not _FOLDED.search(header_plus)
        if not is_unambiguous or _CONTROL.search(self.first_line):
            raise ParsingError(_REFUSED)
        if self.proxy_netloc:  # RFC 9112 3.2.2: it replaces the Host header
            self.headers["HOST"] = self.proxy_netloc
        if _CODED.search(header_plus):
            self.refuse(LengthRequired("Send it with a Content-Length."))
        elif self.content_length and self.content_length > self._limit():
            if self.content_length > MAX_DROPPED_BYTES:
                self.refuse(RequestEntityTooLarge("Your form is too long."))
            else:
                self.body_rcv = FixedStreamReceiver(self.content_length, Dropped())

    def _limit(self) -> int:
        """Return how many bytes the app permits for the body of this request."""
        body_limit: Callable[[str, str], int] = self.adj.body_limit
        return body_limit(self.path, self.headers.get("COOKIE", ""))

    def refuse(self, error: BadRequest) -> None:
        """Answer with `error`, and read nothing more."""
        self.error, self.completed = error, True


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection whose requests are parsed by `Request`."""

    parser_class = Request

    def service(self) -> None:
        """Answer one request; close the connection if the client leaves too many answers unread.

        With waitress itself, a client that pipelines requests and reads nothing blocks a thread: as
        many such clients as there are threads would block the service.
        """
        if self.total_outbufs_len <= MAX_UNREAD_BYTES:
            super().service()
            return
        with self.requests_lock:
            for request in self.requests:
                request.close()
            self.requests.clear()
        self.will_close = True
        self.server.pull_trigger()
