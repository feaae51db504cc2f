"""An SMTP server that says whatever a test wants, and a certificate that nobody vouches for."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# The answers unless a test sets others. "BODY" is the one after the final dot of the letter.
POLITE = {
    "GREETING": b"220 mail.example.org\r\n",
    "EHLO": b"250-mail.example.org\r\n250 8BITMIME\r\n",
    "STARTTLS": b"220 go on\r\n",
    "DATA": b"354 go on\r\n",
    "QUIT": b"221 bye\r\n",
}
Answer = bytes | None | Callable[[socket.socket], None]


class RawServer:
    """A server on a free port of loopback.

    `answers` maps a verb to bytes, to None (it hangs up) or to a function of the socket.
    `heard` has the lines it was sent, `letters` the letters.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, at_once: bool = False, **answers: Answer):
        self.answers: dict[str, Answer] = {**POLITE, **answers}
        self.tls, self.at_once = tls, at_once
        self.heard: list[str] = []
        self.letters: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> "RawServer":
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                self._talk(self._encrypted(connection) if self.at_once else connection)

    def _encrypted(self, connection: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(connection, server_side=True)

    def _talk(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        with connection, lines:
            if not self._answer(connection, "GREETING"):
                return
            for line in iter(lines.readline, b""):
                self.heard.append(line.decode("utf-8", "replace").strip())
                verb = self.heard[-1].split(" ")[0].upper()
                if not self._answer(connection, verb) or verb == "QUIT":
                    return
                if verb == "DATA" and self.answers["DATA"] == POLITE["DATA"]:
                    self._take_letter(lines)
                    if not self._answer(connection, "BODY"):
                        return
                if verb == "STARTTLS" and self.tls:
                    self._talk(self._encrypted(connection))
                    return

    def _take_letter(self, lines: BufferedReader) -> None:
        content = b"".join(iter(lines.readline, b".\r\n"))
        self.letters.append(content.replace(b"\r\n..", b"\r\n."))

    def _answer(self, connection: socket.socket, verb: str) -> bool:
        answer = self.answers.get(verb, b"250 OK\r\n")
        if verb == "GREETING" and isinstance(connection, ssl.SSLSocket) and not self.at_once:
            return True  # after STARTTLS nobody greets again
        if callable(answer):
            answer(connection)
        elif answer is not None:
            connection.sendall(answer)
        return answer is not None


def dripping(connection: socket.socket) -> None:
    """Send a byte now and then, for ever, of an answer that never ends."""
    while True:
        for byte in b"250-wait\r\n":
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.02)


def hangs_up_within(connection: socket.socket) -> None:
    """Invite the letter, read a little of it and hang up."""
    connection.sendall(b"354 go on\r\n")
    connection.recv(10)
    connection.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context with a self-signed certificate for loopback, and its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
