"""Whole requests: any method, path, query, header, cookie and body, past what a browser allows.

They are handed to the app as a server hands them over (PEP 3333), so that no client tidies them.
"""

import io
import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from registration.crypto.tokens import new_token

from . import readers, texts
from .readers import Injection, ServerFault
from .service import Service

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"]
# Headers that an answer may have; any other would be an injected one.
HEADERS = {
    "content-type", "content-length", "content-security-policy", "x-content-type-options",
    "referrer-policy", "cross-origin-opener-policy", "permissions-policy", "cache-control",
    "vary", "set-cookie", "location", "allow", "etag", "last-modified", "content-disposition",
    "strict-transport-security", "date", "accept-ranges", "retry-after", "onion-location",
    "content-range", "expires", "cross-origin-resource-policy",
}  # fmt: skip
_NAMED = [
    "COOKIE", "ACCEPT", "ACCEPT_LANGUAGE", "ACCEPT_ENCODING", "IF_NONE_MATCH", "IF_MODIFIED_SINCE",
    "IF_RANGE", "RANGE", "REFERER", "ORIGIN", "USER_AGENT", "AUTHORIZATION", "X_FORWARDED_FOR",
    "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "FORWARDED", "TRANSFER_ENCODING", "EXPECT", "UPGRADE",
    "X_HTTP_METHOD_OVERRIDE", "X_CSRFTOKEN", "HOST",
]  # fmt: skip
_VALUES = [
    "session=.eJw", "session=a.b.c; session=x", 'W/"x"', "*", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 99 Foo 99999", "bytes=0-1", "bytes=-1", "bytes=9-1", "kk;q=nan,en;q=-1", "gzip;q=",
    "Basic AAAA", "Bearer x", "Digest username=", "for=_x;host=evil.example", "evil.example",
    "127.0.0.1", "::1", "chunked", "100-continue", "http://evil.example", "../..", "localhost:x",
]  # fmt: skip
_FORM = "application/x-www-form-urlencoded"
_BODIES = [_FORM, f"{_FORM}; charset=utf-7", "multipart/form-data; boundary=x", "application/json",
           "multipart/form-data", "text/xml"]  # fmt: skip
_WORD = re.compile(r"<(?:\w+:)?\w+>")


@dataclass(frozen=True)
class Request:
    """A request as a server hands it over; `rule` numbers the address that it resembles."""

    method: str
    rule: int
    words: list[str]
    extra: str
    query: bytes
    headers: dict[str, str]
    kind: str
    body: bytes
    length: int | None


def _latin(text: str) -> str:
    """Return text as PEP 3333 has it: its UTF-8 bytes, each as a character."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _word() -> st.SearchStrategy[str]:
    known = st.sampled_from(["water", "find", "0", "-1", "9" * 30, "..", "%2e%2e%2f", "a" * 5000])
    return st.one_of(known, st.builds(new_token), texts.hostile(3, surrogates=True))


def strategy() -> st.SearchStrategy[Request]:
    """Return requests that resemble right ones."""
    value = st.one_of(st.sampled_from(_VALUES), texts.hostile(3).map(_latin))
    fields = st.lists(st.tuples(texts.hostile(2), texts.hostile(2)), max_size=3)
    written = fields.map(lambda some: "&".join(map("=".join, some)).encode())
    return st.builds(
        Request,
        st.one_of(st.sampled_from(METHODS), st.sampled_from(METHODS[:3]), texts.hostile(1)),
        st.integers(0, 200),
        st.lists(_word(), min_size=2, max_size=2),
        st.one_of(st.just(""), st.just(""), texts.hostile(2)),
        st.one_of(st.just(b""), st.binary(max_size=30), written),
        st.dictionaries(st.sampled_from(_NAMED), value, max_size=3),
        st.one_of(st.just(""), st.sampled_from(_BODIES), texts.hostile(1).map(_latin)),
        st.one_of(st.just(b""), st.binary(max_size=60), written),
        st.one_of(st.none(), st.integers(-1, 100)),
    )


def _environ(service: Service, request: Request) -> dict[str, Any]:
    rules = [rule.rule for rule in service.app.url_map.iter_rules()]
    words = iter(request.words)
    path = _WORD.sub(lambda _found: next(words, "x"), rules[request.rule % len(rules)])
    environ = create_environ(base_url="http://127.0.0.1:8000")
    environ |= {f"HTTP_{name}": value for name, value in request.headers.items()}
    environ |= {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": _latin(path + request.extra),
        "QUERY_STRING": request.query.decode("latin-1"),
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": request.kind,
        "CONTENT_LENGTH": str(len(request.body) if request.length is None else request.length),
        "wsgi.input": io.BytesIO(request.body),
    }
    return environ


def check(service: Service, request: Request) -> bool:
    """Send a request; return whether there was such a page. None may fail, or echo anything."""
    environ = _environ(service, request)
    try:
        body, status, headers = run_wsgi_app(service.app, environ, buffered=True)
    except Exception as error:
        raise ServerFault(f"{environ['PATH_INFO']!r}: {error!r}") from error
    code = int(status[:3])
    if code >= 500:
        raise ServerFault(f"{request.method} {environ['PATH_INFO']!r} answers {status}")
    _headers_are_ours(headers.to_wsgi_list())
    if headers.get("Content-Type", "").startswith("text/html"):
        readers.page(b"".join(body).decode(), service.known)
    return code < 400


def _headers_are_ours(headers: list[tuple[str, str]]) -> None:
    readers.none_foreign({name.lower() for name, _ in headers}, HEADERS, "an answer's headers")
    for name, value in headers:
        if not value.isprintable():
            raise Injection(f"{name}: {value!r}")
        if name == "Location" and not readers.is_same_site(value):
            raise Injection(f"{name}: {value!r}")
