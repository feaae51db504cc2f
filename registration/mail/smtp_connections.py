"""Connections to a mail server, as smtplib makes them, with two things mended: the TCP socket is
told before any handshake, and an answer that is cut off is none."""

import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import BinaryIO

from ..config import MailRoute

# Seconds for one answer of the server.
TIMEOUT = 30


class _WholeLines:
    """Lines of an answer. smtplib would take the "250" of a connection that ends there, before a
    "-" or the line's end, for a yes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if line and not line.endswith(b"\n") and len(line) < limit:
            raise ConnectionError("the connection ended within an answer")
        return line

    def close(self) -> None:
        self._file.close()


class Connection(smtplib.SMTP):
    """An SMTP client that tells of its TCP socket before any TLS handshake or greeting."""

    def __init__(self, connected: Callable[[socket.socket], None], route: MailRoute, host: str):
        self.connected = connected
        super().__init__(route.host, route.port, local_hostname=host, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self.connected(sock)
        return sock

    def getreply(self) -> tuple[int, bytes]:
        """Return the server's answer; `SMTPServerDisconnected` if it is not whole."""
        if self.file is None and self.sock:
            self.file = _WholeLines(self.sock.makefile("rb"))
        return super().getreply()


class TlsConnection(smtplib.SMTP_SSL, Connection):
    """The same with TLS from the first byte; SMTP_SSL asks `Connection` for its socket."""

    def __init__(self, connected: Callable[[socket.socket], None], route: MailRoute, host: str):
        self.connected = connected
        smtplib.SMTP_SSL.__init__(
            self,
            route.host,
            route.port,
            local_hostname=host,
            timeout=TIMEOUT,
            context=ssl.create_default_context(),
        )
