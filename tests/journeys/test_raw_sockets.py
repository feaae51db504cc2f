"""Raw connections: each request gets one clear answer or none, a request hidden in another is never
answered, and nothing that a client sent is logged."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from registration import app_context, create_app, database
from registration.discussion_file import form_size
from registration.server import http_server, request_parser
from registration.web import uploads
from registration.web.organizer import cookies

from .. import builders
from ..machine import program
from ..server_process import FLASK, Server

pytestmark = pytest.mark.slow

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /registrations/find HTTP/1.1\r\n" + HOST
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
LAST = b"Connection: close\r\n\r\n"
# Answered only if it is taken for a request of its own.
HIDDEN = b"GET /robots.txt HTTP/1.1\r\n" + HOST + LAST


@pytest.fixture(scope="module")
def settings(tmp_path_factory, template: Path) -> dict[str, str]:
    """A fresh installation with one discussion."""
    folder = tmp_path_factory.mktemp("raw") / "instance"
    shutil.copytree(template, folder)
    settings = {"INSTANCE": str(folder)}
    with create_app(settings).app_context():
        builders.publish(builders.file('registration = "open"'))
        database.engine().dispose()
    return settings


@pytest.fixture(scope="module")
def shared(settings: dict[str, str], tmp_path_factory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(settings, "--without-mail", log=log) as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """A server of all tests here, which logs nothing of any of them."""
    yield shared
    assert shared.get("/").status == 200
    assert shared.output == f"Serving {shared.root} (Ctrl+C stops it)\n"


def line_to(server: Server, said: bytes = b"") -> socket.socket:
    """Return a connection on which `said` was sent."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    line.sendall(said)
    return line


def ask(server: Server, said: bytes) -> list[tuple[int, bytes]]:
    """Return status and body of every answer to `said`, until the server closes the connection."""
    with closing(line_to(server, said)) as line:
        return answers(b"".join(iter(lambda: heard(line), b"")))


def heard(line: socket.socket) -> bytes:
    """Return what comes next, b"" at the end: also where the server did not read to the end."""
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""


def answers(raw: bytes) -> list[tuple[int, bytes]]:
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        version, status = first.split(" ")[:2]
        assert version in {"HTTP/1.0", "HTTP/1.1"}
        length = {name.lower(): value for name, value in (it.split(": ", 1) for it in lines)}
        size = int(length.get("content-length", 0))
        found.append((int(status), rest[:size]))
        raw = rest[size:]
    return found


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 5\r\nContent-Length: 5", 400),
        (b"Content-Length: 5\r\nContent-Length: 40", 400),
        (b"Content-Length: 5, 5", 400),
        (b"Content-Length: +5", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 0x5", 400),
        (b"Content-Length: 5.0", 400),
        (b"Content-Length: 1_0", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: \xd9\xa5", 400),
        (b"Content-Length: " + b"9" * 5000, 400),
        (b"Content-Length : 5", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 411),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 411),
        (b"Transfer-Encoding: chunked", 411),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 411),
        (b"TRANSFER-ENCODING:chunked\r\nContent-Length: 5", 411),
        (b"Transfer-Encoding:\r\nContent-Length: 5", 411),
        (b"Transfer-Encoding: identity\r\nContent-Length: 5", 501),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: xchunked\r\nContent-Length: 5", 501),
        (b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5", 400),
        (b"Transfer-Encoding : chunked\r\nContent-Length: 5", 400),
        (b"Transfer-Encoding\t: chunked\r\nContent-Length: 5", 400),
        (b" Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        (b"X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        (b"X: 1\r\n\tfolded\r\nContent-Length: 5", 400),
        (b"X: 1\nContent-Length: 5", 400),
        (b"X: 1\rContent-Length: 5", 400),
        (b"X: 1\n\nGET /robots.txt HTTP/1.1", 400),
        (b"X: a\0b", 400),
        (b"X\0: 1", 400),
        (b"X: a\x7fb", 400),
        (b"X", 400),
        (b": 1", 400),
        (b"X Y: 1", 400),
    ],
)
def test_an_ambiguous_request_is_refused_and_its_connection_closed(server, headers, status):
    body = b"0\r\n\r\n"
    (answer,) = ask(server, POST + FORM + headers + b"\r\n\r\n" + body + HIDDEN)
    assert answer[0] == status
    assert b"User-agent" not in answer[1]


def test_chunks_are_refused_however_many_there_are(server):
    head = POST + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunks in (b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"5\n\r\nhello\r\n"):
        assert [status for status, _body in ask(server, head + chunks)] == [411]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /",
        b"GET / HTTP/0.9",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.2",
        b"GET / HTTP/1",
        b"GET / http/1.1",
        b"GET  / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET / HTTP/1.1 x",
        b"get / HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"GET /a\0b HTTP/1.1",
        b"GET /a\tb HTTP/1.1",
        b"GET /a\x1fb HTTP/1.1",
        b"GET http://[ HTTP/1.1",
        b"GET http://[::1/ HTTP/1.1",
        b"GET",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0",
        b"SSH-2.0-OpenSSH_9.2",
    ],
)
def test_a_line_that_is_no_request_line_is_refused(server, line):
    (answer,) = ask(server, line + b"\r\n" + HOST + b"\r\n" + HIDDEN)
    assert answer[0] == 400
    assert line not in answer[1]


def test_lines_that_end_in_newlines_alone_are_no_request(server):
    lines = (GET + b"\r\n").replace(b"\r\n", b"\n")
    (answer,) = ask(server, lines + HIDDEN)
    assert answer[0] == 400


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n",
        GET + b"Host: evil.example\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + HOST,
        GET + HOST,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:99999\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:x\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1@evil.example\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example@127.0.0.1\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1/evil\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1, 127.0.0.1\r\n",
        b"GET / HTTP/1.1\r\nHost: [127.0.0.1]\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\n" + HOST,
        b"GET http://evil.example@127.0.0.1/ HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/1.0\r\nX-Forwarded-Host: 127.0.0.1\r\n",
    ],
)
def test_a_request_for_no_site_or_two_or_another_is_refused(server, head):
    (answer,) = ask(server, head + LAST)
    assert answer == (400, b"This site has another address.")


def test_the_address_in_the_request_line_counts_and_not_the_host(server):
    line = b"GET http://127.0.0.1/robots.txt HTTP/1.1\r\nHost: evil.example\r\n"
    (answer,) = ask(server, line + LAST)
    assert answer[0] == 200


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"TRACE / HTTP/1.1", 405),
        (b"CONNECT 127.0.0.1:443 HTTP/1.1", 404),
        (b"CONNECT example.org:443 HTTP/1.1", 404),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"BREW / HTTP/1.1", 405),
        (b"GET //evil.example/ HTTP/1.1", 404),
        (b"GET javascript:alert(1) HTTP/1.1", 404),
        (b"GET /%00 HTTP/1.1", 404),
        (b"GET /\xff HTTP/1.1", 400),
        (b"GET /%FF HTTP/1.1", 404),
        (b"GET /static/..%2f..%2fwsgi.py HTTP/1.1", 404),
        (b"GET /static/%2e%2e/%2e%2e/wsgi.py HTTP/1.1", 404),
        (b"GET /static//etc/passwd HTTP/1.1", 404),
        (b"GET /" + b"x" * 30_000 + b" HTTP/1.1", 404),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1", 431),
    ],
)
def test_a_strange_request_gets_a_plain_refusal(server, line, status):
    (answer,) = ask(server, line + b"\r\n" + HOST + b"X-Canary: canary-7\r\n" + LAST)
    assert answer[0] == status
    assert b"canary-7" not in answer[1]


def test_headers_without_end_are_refused(server):
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    for headers in (b"X: " + b"y" * 40_000, many):
        with closing(line_to(server, GET + headers)) as line:
            assert line.recv(65536).startswith(b"HTTP/1.0 431 ")


@pytest.mark.parametrize(
    "cookie",
    [
        b"session=" + b"x" * 20_000,
        b"session=.eJw.x.x; session=; session",
        b"=; ;;; a=b=c; \xff=\xfe",
        b'session="\\303\\050"',
        b"__Host-session=" + b"\xd0\x96" * 100,
    ],
)
def test_a_cookie_of_garbage_is_no_cookie(server, cookie):
    head = b"GET /registrations/find HTTP/1.1\r\n" + HOST + b"Cookie: " + cookie + b"\r\n"
    (answer,) = ask(server, head + LAST)
    assert answer[0] == 200
    assert b'name="csrf_token"' in answer[1]


def test_requests_one_after_another_are_answered_in_their_order(server):
    head = b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n"
    said = b"GET /robots.txt HTTP/1.1\r\n" + HOST + b"\r\n" + GET + b"\r\n" + HIDDEN
    first, second, third = ask(server, said)
    assert (first[0], second[0], third[0]) == (200, 200, 200)
    assert b"User-agent" in first[1]
    assert b"Who owns the water?" in second[1]
    assert b"User-agent" in third[1]
    with closing(line_to(server, head)) as line:
        raw = line.recv(65536)
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(b"\r\n\r\n")


def test_bytes_after_a_body_are_no_part_of_it(server):
    said = POST + FORM + b"Content-Length: 5\r\n\r\nemail=aigerim@example.org\r\n\r\n"
    first, second = ask(server, said + HIDDEN)
    assert (first[0], second[0]) == (422, 400)
    assert b"aigerim" not in first[1] + second[1]


def test_a_client_that_leaves_amid_its_body_leaves_no_trace(server):
    for sent in (b"", b"email=aigerim"):
        with closing(line_to(server, POST + FORM + b"Content-Length: 100\r\n\r\n" + sent)) as line:
            line.shutdown(socket.SHUT_WR)
            assert line.recv(65536) == b""


def test_a_body_is_asked_for_before_it_is_sent(server):
    head = POST + FORM + b"Content-Length: 5\r\nExpect: 100-continue\r\n" + LAST
    with closing(line_to(server, head)) as line:
        assert line.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"a=b&c")
        assert line.recv(65536).startswith(b"HTTP/1.1 422 ")


def test_a_large_body_gets_a_page_and_a_huge_one_is_unread(server):
    for large in (form_size.MAX_FORM_BYTES + 1, request_parser.MAX_DROPPED_BYTES):
        said = POST + FORM + b"Content-Length: %d\r\n" % large + b"\r\n" + b"x" * large
        first, second = ask(server, said + GET + LAST)
        assert (first[0], second[0]) == (413, 200), "the next request is read from where it begins"
        assert b"Your form is too long" in first[1]
    for length in (request_parser.MAX_DROPPED_BYTES + 1, 10**15):
        (answer,) = ask(server, POST + FORM + b"Content-Length: %d\r\n\r\n" % length)
        assert answer[0] == 413
    upload = b"POST /organizer/discussions/water/attendees/import HTTP/1.1\r\n" + HOST
    stranger = b"Cookie: organizer-device=\xff; organizer=x\r\nContent-Length: 9000000\r\n\r\n"
    (answer,) = ask(server, upload + stranger)
    assert answer[0] == 413
    edit = b"POST /organizer/discussions/water/edit HTTP/1.1\r\n" + HOST + FORM
    large = form_size.MAX_FORM_BYTES + 1
    (answer,) = ask(server, edit + b"Content-Length: %d\r\n" % large + LAST + b"x" * large)
    assert answer[0] == 413


def test_a_slow_sender_keeps_nobody_waiting(server):
    with ExitStack() as held:
        for number in range(200):
            parts = (GET, POST + FORM + b"Content-Length: 9\r\n\r\ne", b"G")
            held.enter_context(closing(line_to(server, parts[number % 3])))
        began = time.monotonic()
        assert server.get("/discussions/water").status == 200
        assert time.monotonic() - began < 1


def test_more_connections_than_files_do_not_stop_the_server(settings, tmp_path):
    few = (program("prlimit"), "--nofile=250:250", *FLASK)
    with (
        Server(settings, "--without-mail", log=tmp_path / "log", program=few) as server,
        closing(HTTPConnection("127.0.0.1", server.port)) as before,
        ExitStack() as held,
    ):
        assert asked_on(before) == 200
        for _ in range(400):
            held.enter_context(closing(line_to(server)))
        spent = processor_time(server)
        time.sleep(1)
        assert processor_time(server) - spent < 10  # hundredths of a second
        assert asked_on(before) == 200
        assert len(server.output.splitlines()) == 1


def asked_on(connection: HTTPConnection) -> int:
    """Return the status of a page asked for on an open connection."""
    connection.request("GET", "/")
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def processor_time(server: Server) -> int:
    """Return the time that the server's process has computed, in hundredths of a second."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.fixture
def hasty(settings) -> Iterator[Server]:
    """A server in this process that bears a second of silence."""
    app = create_app(settings)
    server = Server(settings, log=Path("none"))
    stop = threading.Event()
    with app.app_context():
        bound = http_server._create_server(app, "127.0.0.1", server.port)
        bound.adj.channel_timeout = bound.adj.cleanup_interval = 1
        thread = threading.Thread(target=http_server._serve_until, args=(stop, bound))
        thread.start()
        yield server
        http_server._stop(stop, bound)
        thread.join()
        bound.asyncore.close_all(bound._map)
        database.engine().dispose()


def test_a_silent_connection_is_closed(hasty):
    for said in (b"", GET, POST + b"Content-Length: 9\r\n\r\ne"):
        with closing(line_to(hasty, said)) as line:
            assert line.recv(65536) == b""


def test_a_request_that_takes_too_long_to_come_is_refused(hasty, monkeypatch):
    monkeypatch.setattr(request_parser, "REQUEST_TIMEOUT_SECONDS", 0.2)
    with closing(line_to(hasty, GET)) as line:
        time.sleep(0.3)
        line.sendall(b"X: still coming\r\n")
        ((status, _body),) = answers(b"".join(iter(lambda: heard(line), b"")))
    assert status == 408


WATCH = """
import os, sys

def watch(event, about):
    if event == "open" and str(about[0]).startswith(os.environ["TMPDIR"]):
        os.write(2, b"a temporary file\\n")

sys.addaudithook(watch)
"""
SPEAKER = f"""
[[contributors]]
role = "speaker"
name = "Saule"
biography = "{"ж" * 20_000}"
"""


def test_nothing_that_is_sent_or_answered_is_written_into_temporary_files(
    settings, tmp_path, monkeypatch
):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with create_app(settings).app_context():
        builders.publish(builders.file('slug = "long"') + 30 * SPEAKER.encode())
        app_context.open_keys()
        database.engine().dispose()
        known = f"organizer-device={cookies.signed_device('asel')}"
    form, file = (
        b"a" * request_parser.MAX_DROPPED_BYTES,
        in_parts(b"a" * (form_size.MAX_FORM_BYTES - 100)),
    )
    large = in_parts(b"a" * (uploads.MAX_UPLOAD_BYTES - 200))
    with Server(settings, "--without-mail", log=tmp_path / "log") as server:
        assert len(server.get("/discussions/long").text.encode()) > 1_200_000
        assert posted(server, form, "application/x-www-form-urlencoded") == 413
        assert posted(server, file, "multipart/form-data; boundary=x") == 422
        # The desk accepts the upload, and sends its organizer to sign in again.
        assert imported(server, large, known) == 303
        assert len(server.output.splitlines()) == 1


def in_parts(content: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="name"; filename="a"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def imported(server: Server, body: bytes, held: str) -> int:
    path = "/organizer/discussions/long/attendees/import"
    kind = "multipart/form-data; boundary=x"
    return server.ask("POST", path, body, Content_Type=kind, Cookie=held).status


def posted(server: Server, body: bytes, kind: str) -> int:
    return server.ask("POST", "/registrations/find", body, Content_Type=kind).status
