"""The service as visitors meet it: `flask serve` behind a real nginx with the site of deploy/."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registration import create_app, database

from .. import builders
from ..machine import program
from ..server_process import Answer, Server, free_port
from ..visitor import form_of

pytestmark = pytest.mark.slow

SITE = Path(__file__).parent.parent.parent / "deploy" / "nginx"
HOST = "events.example.org"
ONION = f"{'a2b7' * 14}.onion"
# Loopback has many addresses: where the visitors come from, and nothing else does.
VISITOR = "127.0.0.77"
FORM = "/discussions/water/register"


class Nginx:
    """nginx with the shipped files in `folder`, on ports of its own, in front of `port`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.http, self.https, self.onion = free_port(), free_port(), free_port()
        (folder / "snippets").mkdir(parents=True)
        self.certificate = certificate(folder)
        self._write("snippet.conf", "snippets/registration.conf", port)
        self._write("registration.conf", "site.conf", port)
        self._write("registration-onion.conf", "onion.conf", port)
        folders = "".join(
            f"{kind}_temp_path {folder}/{kind}; "
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # As Debian's own: the site has to silence it.
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log info; events {{}}\n"
            f"http {{ access_log {folder}/access.log; error_log {folder}/http.log info; {folders}"
            "gzip on; include site.conf; include onion.conf; }\n"
        )

    def _write(self, name: str, target: str, port: int) -> None:
        """Copy a file with other ports, and a certificate of this machine."""
        text = (SITE / name).read_text()
        for pattern, other in {
            r"^\s*listen \[::\].*\n": "",
            r"listen 80\b": f"listen 127.0.0.1:{self.http}",
            r"listen 443\b": f"listen 127.0.0.1:{self.https}",
            r"listen 127.0.0.1:8081": f"listen 127.0.0.1:{self.onion}",
            r"127.0.0.1:8000": f"127.0.0.1:{port}",
            r"/etc/letsencrypt/live/events.example.org": str(self.folder),
        }.items():
            text = re.sub(pattern, other, text, flags=re.MULTILINE)
        (self.folder / target).write_text(text)

    @contextmanager
    def running(self) -> Iterator["Nginx"]:
        """Run it until the block ends."""
        command = [
            program("nginx", "/usr/sbin/nginx"),
            "-p",
            self.folder,
            "-c",
            self.folder / "nginx.conf",
        ]
        said = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        with (self.folder / "stderr").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_for(self.https)
            # With nowhere to put it, nginx would answer 500 rather than write to the disk.
            shutil.rmtree(self.folder / "client_body")
            shutil.rmtree(self.folder / "proxy")
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def connect(
        self,
        host: str = HOST,
        *,
        cipher: str | None = None,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    ) -> ssl.SSLSocket:
        """Return a visitor's connection; the certificate must be the site's. With `cipher`, the
        visitor knows no other, and no version of TLS after `newest`."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if cipher:
            context.set_ciphers(cipher)
            context.minimum_version = min(newest, context.minimum_version)
            context.maximum_version = newest
        place = ("127.0.0.1", self.https)
        line = socket.create_connection(place, timeout=10, source_address=(VISITOR, 0))
        try:
            return context.wrap_socket(line, server_hostname=host)
        except OSError:
            line.close()
            raise

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """Send one request over https, and return its answer; `.text` is the body."""
        connection = HTTPConnection(HOST)
        connection.sock = self.connect()
        return _answer(connection, method, path, body, headers)

    def ask_plainly(self, port: int, path: str, **headers: str):
        """Ask over http."""
        connection = HTTPConnection("127.0.0.1", port, timeout=10, source_address=(VISITOR, 0))
        return _answer(connection, "GET", path, None, headers)

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are, and return all that comes back until nginx hangs up."""
        with closing(self.connect()) as line:
            line.sendall(request)
            found = b""
            while part := line.recv(65536):
                found += part
            return found


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def _answer(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.response_class = Answer
        connection.request(method, path, body, named)
        answer = cast("Answer", connection.getresponse())
        answer.text = answer.read().decode()
        return answer


def certificate(folder: Path) -> Path:
    """Make a certificate for the site, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "privkey.pem").write_bytes(secret)
    (folder / "fullchain.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return folder / "fullchain.pem"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Server]:
    """The service as the settings of a public site make it, with one discussion."""
    folder = tmp_path_factory.mktemp("behind")
    shutil.copytree(template, folder / "instance")
    settings = {
        "INSTANCE": str(folder / "instance"),
        "PUBLIC_URL": f"https://{HOST}",
        "ONION_URL": f"http://{ONION}",
        "CONTACT": "hosts@example.org",
        "TRUSTED_PROXIES": "1",
    }
    with create_app(settings | {"TRUSTED_PROXIES": 1}).app_context():
        builders.publish(builders.file('registration = "open"'))
        database.engine().dispose()
    with Server(settings, "--without-mail", log=folder / "log") as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx in front of it."""
    with Nginx(tmp_path_factory.mktemp("nginx") / "etc", server.port).running() as nginx:
        yield nginx


def test_pages_are_served_with_https_links_and_a_promise_of_https(nginx):
    page = nginx.ask("GET", "/discussions/water")
    assert page.status == 200
    assert f'content="https://{HOST}/discussions/water"' in page.text
    assert "http://127" not in page.text
    assert page.getheader("Strict-Transport-Security") == "max-age=31536000"
    assert page.getheader("Onion-Location") == f"http://{ONION}/discussions/water"
    assert page.getheader("Set-Cookie") is None
    assert page.getheader("Server") == "nginx"
    again = nginx.ask("GET", "/discussions/water", If_None_Match=page.getheader("ETag"))
    assert again.status == 304


@pytest.mark.parametrize("path", ["/", FORM, "/discussions.ics", "/static/icon.svg", "/nowhere"])
def test_no_header_is_sent_twice(nginx, path):
    names = [name for name, _value in nginx.ask("GET", path).getheaders()]
    assert len(set(names)) == len(names)
    assert {"Strict-Transport-Security", "Cross-Origin-Resource-Policy"} < set(names)
    assert {"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} < set(names)


def test_only_good_ciphers_of_tls_1_2_and_1_3_are_spoken(nginx):
    with closing(nginx.connect()) as line:
        assert line.version() == "TLSv1.3"
    good = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"}
    good |= {"ECDHE-ECDSA-CHACHA20-POLY1305"}
    spoken = set()
    for cipher in ssl.create_default_context().get_ciphers():
        if cipher["protocol"] == "TLSv1.2":
            with suppress(ssl.SSLError), closing(nginx.connect(cipher=cipher["name"])) as line:
                spoken.add(line.cipher()[0])
    for weak in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"):
        with pytest.raises(ssl.SSLError):
            nginx.connect(cipher=weak)
    assert spoken == good
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(ssl.SSLError):
        nginx.connect(cipher="ALL:@SECLEVEL=0", newest=ssl.TLSVersion.TLSv1_1)


def test_http_leads_to_https_and_nowhere_else(nginx):
    for host in (HOST, "evil.example"):
        answer = nginx.ask_plainly(nginx.http, "/discussions/water?a=b", Host=host)
        assert answer.status == 301
        assert answer.getheader("Location") == f"https://{HOST}/discussions/water?a=b"


def test_a_request_for_another_host_learns_nothing(nginx):
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        nginx.connect("evil.example")
    assert nginx.ask("GET", "/", Host="evil.example").status in {400, 403, 421}


def test_registering_works_with_a_cookie_for_this_host_over_https_alone(nginx, server):
    page = nginx.ask("GET", FORM)
    cookie = page.getheader("Set-Cookie")
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    _action, hidden = form_of(page.text)
    time.sleep(2.1)
    typed = {"name": "Айгерим", "email": "aigerim@example.org", "affiliation": ""}
    sent = {
        "Cookie": cookie.split(";")[0],
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"https://{HOST}",
        "Referer": f"https://{HOST}{FORM}",
    }
    answer = nginx.ask("POST", FORM, urlencode(hidden | typed).encode(), **sent)
    assert answer.status == 303
    assert answer.getheader("Location") == "/discussions/water/registered"
    with create_app(server.settings | {"TRUSTED_PROXIES": 1}).app_context():
        assert builders.attendee().name == "Айгерим"
        database.engine().dispose()


@pytest.mark.parametrize(
    "path", ["/metrics", "/letters/", "/letters", "//letters/", "/%6cetters/", "/x/../metrics"]
)
def test_pages_for_the_operator_are_not_passed_on(nginx, path):
    answer = nginx.raw(f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"<center>nginx</center>" in answer, "the service itself was asked"


def test_the_onion_service_has_pages_and_a_cookie_that_its_browser_keeps(nginx):
    page = nginx.ask_plainly(nginx.onion, FORM, Host=ONION)
    assert page.status == 200
    assert page.getheader("Set-Cookie").startswith("session=")
    assert "Secure" not in page.getheader("Set-Cookie")
    assert page.getheader("Strict-Transport-Security") is None
    assert nginx.ask_plainly(nginx.onion, "/metrics", Host=ONION).status == 404
    assert nginx.ask_plainly(nginx.onion, "/", Host="evil.example").status == 400


def test_oversized_requests_are_refused_with_the_page_of_the_service(nginx):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = nginx.ask("POST", "/registrations/find", b"name=" + b"x" * 200_000, **form)
    assert answer.status == 413
    assert "Your form is too long" in answer.text
    # nginx may hang up before all of it is sent.
    try:
        far_beyond = nginx.ask("POST", "/registrations/find", b"x" * 3_000_000, **form).status
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        far_beyond = 413
    assert far_beyond == 413


CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /canary HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n"
SMUGGLED = {
    "length and chunks": b"Content-Length: 4\r\n" + CHUNKED,
    "chunks and length": CHUNKED + b"Content-Length: 4\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 40\r\n",
    "a length of two": b"Content-Length: 0, 40\r\n",
    "a signed length": b"Content-Length: +5\r\n",
    "a length in hexadecimal": b"Content-Length: 0x5\r\n",
    "chunks twice": CHUNKED + CHUNKED,
    "chunks of another kind": b"Transfer-Encoding: xchunked\r\n",
    "chunks and more": b"Transfer-Encoding: chunked, identity\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
    "a folded line": b"X: y\r\n Transfer-Encoding: chunked\r\n"
    + CHUNKED
    + b"Content-Length: 5\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
def test_a_smuggled_request_is_refused(nginx, headers):
    start = f"POST /registrations/find HTTP/1.1\r\nHost: {HOST}\r\n".encode()
    answer = nginx.raw(start + headers + b"\r\n0\r\n\r\n" + HIDDEN)
    assert re.match(rb"HTTP/1.1 (400|501) ", answer), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1


@contextmanager
def recorder() -> Iterator[tuple[int, list[bytes]]]:
    """Stand in the service's place, and keep what nginx sends there."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen() -> None:
            line, _ = listening.accept()
            with line:
                seen.append(line.recv(65536))
                line.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield listening.getsockname()[1], seen


def test_no_visitor_can_claim_another_address_host_or_scheme(tmp_path):
    claims = {
        "X_Forwarded_For": "198.51.100.7",
        "X_Forwarded_Proto": "http",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Port": "80",
        "X_Forwarded_Prefix": "/evil",
        "X_Real_IP": "198.51.100.7",
        "Forwarded": "for=198.51.100.7;proto=http;host=evil.example",
        "Connection": "X-Forwarded-For, keep-alive",
    }
    with recorder() as (port, seen), Nginx(tmp_path / "etc", port).running() as nginx:
        assert nginx.ask("GET", "/", **claims).status == 204
    head = seen[0].decode().lower().split("\r\n")
    told = [line for line in head if "forwarded" in line or "real-ip" in line]
    assert told == [f"x-forwarded-for: {VISITOR}", "x-forwarded-proto: https"]
    assert f"host: {HOST}" in head
    assert "198.51.100.7" not in seen[0].decode()


def test_no_visitor_is_in_any_log_and_nothing_typed_on_the_disk(nginx, server):
    nginx.ask("GET", "/registrations/canary", User_Agent="canary", Referer="https://canary.test")
    nginx.raw(b"canary\r\n\r\n")
    nginx.raw(f"GET /canary\x00 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    nginx.ask_plainly(nginx.http, "/canary", Host="canary.test")
    with closing(socket.create_connection(("127.0.0.1", nginx.https))) as line:
        line.sendall(b"canary, and no TLS\r\n\r\n")
        line.recv(4096)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    large = b"name=canary" + b"x" * 400_000
    assert nginx.ask("POST", "/organizer/sign-in", large, **form).status == 413
    assert nginx.ask("POST", "/registrations/find", large[:60_000], **form).status == 422
    with pytest.raises(ssl.SSLError):
        nginx.connect("canary.test")
    written = [path for path in nginx.folder.rglob("*") if path.is_file()]
    logs = {path.name: path.read_text() for path in written if path.suffix != ".pem"}
    assert {"error.log", "stderr"} <= set(logs)
    for name, text in (logs | {"the service": server.output}).items():
        assert not re.search(rf"canary|{re.escape(VISITOR)}|\bclient:", text), name


def test_without_the_service_the_answer_names_nobody_and_the_log_stays_silent(tmp_path):
    with Nginx(tmp_path / "etc", free_port()).running() as nginx:
        assert nginx.ask("GET", "/registrations/canary").status == 502
    for path in nginx.folder.rglob("*.log"):
        assert not re.search(rf"canary|{re.escape(VISITOR)}", path.read_text())
