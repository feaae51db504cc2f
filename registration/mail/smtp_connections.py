"""SMTP connections of smtplib with two corrections.

They report the TCP socket before any handshake, and an answer that is cut off is no answer.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import BinaryIO

from ..config import MailRoute

# The time limit for one answer of the server.
ANSWER_TIMEOUT_SECONDS = 30


class _WholeLines:
    """The lines of an answer, each complete.

    If the connection ends after "250", before a "-" or the line's end, smtplib alone would read it
    as a positive answer.
    """

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
    """An SMTP client that reports its TCP socket before any TLS handshake or greeting."""

    def __init__(self, connected: Callable[[socket.socket], None], route: MailRoute, host: str):
        self.connected = connected
        super().__init__(
            route.host, route.port, local_hostname=host, timeout=ANSWER_TIMEOUT_SECONDS
        )

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self.connected(sock)
        return sock

    def getreply(self) -> tuple[int, bytes]:
        """Return the server's answer; `SMTPServerDisconnected` if it is incomplete."""
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
            timeout=ANSWER_TIMEOUT_SECONDS,
            context=ssl.create_default_context(),
        )
