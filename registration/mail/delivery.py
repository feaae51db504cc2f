"""Delivery of composed letters: to a mail server by SMTP, or to a folder (Maildir).

A delivery serves one batch and is then closed. A letter has one of four results: it was accepted;
it was refused for good (`LetterRefused`); it may be accepted later (`TryLater`); or nothing can be
sent until an operator acts (`MailStopped`), which counts as no attempt.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Collection
from contextlib import suppress
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from ..config import MailRoute
from ..refusals import N_, OperatorRefusal, Refusal
from . import maildir
from .smtp_answers import accepted, describe, describe_error, redact
from .smtp_connections import Connection, TlsConnection

# The time limit for one batch, from connecting to the last answer; shorter than outbox.LEASE.
BATCH_TIMEOUT_SECONDS = 120


class LetterRefused(OperatorRefusal):
    """The server will never take this letter for this address."""


class TryLater(OperatorRefusal):
    """The letter was not accepted now, and may be later."""


class ServerUnavailable(OperatorRefusal):
    """The server cannot be reached or accepts nothing at present; no letter was tried."""


class MailStopped(OperatorRefusal):
    """The server refuses the service, not the letter: a wrong password, or a forbidden sender."""


class Delivery(Protocol):
    """A connection that sends composed letters one by one."""

    def open(self) -> None:
        """Connect; raise `ServerUnavailable` or `MailStopped`."""

    def send(self, key: str, message: EmailMessage, private: Collection[str] = ()) -> str:
        """Send one letter and return the server's answer; `key` is the random id of its row.

        Neither the answer nor a refusal contains the recipient's address or words of `private`.
        """

    def close(self) -> None:
        """End the connection; never raises."""


def for_route(route: MailRoute, sender: str, host: str) -> Delivery:
    """Return a delivery by `route` from `sender`, which names itself `host` in its greeting."""
    if route.folder is not None:
        return MaildirDelivery(route.folder)
    return SmtpDelivery(route, sender, _greeting(host))


def _greeting(host: str) -> str:
    """Return the name of a mail client at `host` (RFC 5321 4.1.3 for IP addresses)."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


class MaildirDelivery:
    """A delivery to a folder that mail programs can read and the local mailbox shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder, for its owner only."""
        try:
            maildir.folder_at(self.folder)
        except OSError as error:
            raise ServerUnavailable(
                f"The letters' folder cannot be opened or made: {error.strerror}."
            ) from error

    def send(
        self,
        key: str,
        message: EmailMessage,
        private: Collection[str] = (),  # noqa: ARG002  # a folder gives no answer to redact
    ) -> str:
        try:
            maildir.keep(self.folder, key, message)
        except OSError as error:
            raise TryLater(f"The letters' folder cannot be written: {error.strerror}.") from error
        return N_("kept in the letters' folder")

    def close(self) -> None:
        """Do nothing: no file stays open."""


class SmtpDelivery:
    """One SMTP connection for one batch, with a time limit for the whole batch.

    smtplib's timeout applies to each read: a server that sends one byte a second could block it for
    hours. Here a timer cuts the connection, whatever it is doing.
    """

    def __init__(
        self, route: MailRoute, sender: str, host: str, deadline: float = BATCH_TIMEOUT_SECONDS
    ) -> None:
        self.route, self.sender, self.host = route, sender, host
        self.server: smtplib.SMTP | None = None
        self.socket: socket.socket | None = None
        self.ended = False
        self.timer = threading.Timer(deadline, self._cut)
        self.timer.daemon = True

    def open(self) -> None:
        """Connect, encrypt as the route says, and sign in."""
        self.timer.start()
        try:
            self._connect()
        except smtplib.SMTPAuthenticationError as error:
            raise MailStopped(
                f"The mail server refuses to sign us in: {describe_error(error)}."
            ) from None
        except OSError as error:
            raise ServerUnavailable(f"The mail server: {describe_error(error)}.") from None
        except UnicodeError:
            # From smtplib or the host name's codec; the original message may contain the password.
            raise MailStopped(
                "MAIL_URL: user and password must be ASCII, and the host a host name."
            ) from None
        except ValueError:  # for example, a challenge that is not base64
            raise ServerUnavailable(N_("The mail server: not an answer to signing in.")) from None

    def _connect(self) -> None:
        kind = TlsConnection if self.route.encryption == "tls" else Connection
        self.server = kind(self._keep, self.route, self.host)
        if self.route.encryption == "starttls":
            self.server.starttls(context=ssl.create_default_context())
        self.server.ehlo_or_helo_if_needed()
        if self.route.user:
            self.server.login(self.route.user, self.route.password)

    def _keep(self, sock: socket.socket) -> None:
        # A duplicate reaches the connection even while TLS has taken the socket over.
        self.socket = sock.dup()
        if self.ended:  # the time limit passed while connecting
            self._cut()

    def send(
        self,
        key: str,  # noqa: ARG002  # a server knows a letter by its Message-ID
        message: EmailMessage,
        private: Collection[str] = (),
    ) -> str:
        if self.server is None or self.ended:
            raise ServerUnavailable(N_("The mail server's connection has ended."))
        recipient = message["To"].addresses[0].addr_spec
        try:
            answer = self._hand_over(self.server, recipient, message.as_bytes())
        except _Answered as refusal:
            self._reset()
            raise _refusal(refusal, redact(str(refusal), recipient, private)) from None
        except OSError as error:  # smtplib's exceptions are OSErrors too
            self.ended = True
            raise TryLater(redact(describe_error(error), recipient, private)) from None
        return answer

    def _hand_over(self, server: smtplib.SMTP, recipient: str, content: bytes) -> str:
        options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") else []
        code, said = server.mail(self.sender, options)
        if code != 250:
            raise _Answered("MAIL", code, said)
        code, said = server.rcpt(recipient)
        if code not in {250, 251}:
            raise _Answered("RCPT", code, said)
        try:
            code, said = server.data(content)
        except smtplib.SMTPDataError as error:
            raise _Answered("DATA", error.smtp_code, error.smtp_error) from None
        if code != 250:
            raise _Answered("DATA", code, said)
        return accepted(code, said)

    def _reset(self) -> None:
        try:
            if self.server:
                self.server.rset()
        except OSError:
            self.ended = True

    def _cut(self) -> None:
        self.ended = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self.server is not None:
            with suppress(OSError):
                self.server.quit()
            self.server.close()
        # Only now: the time limit covers QUIT too.
        self.timer.cancel()
        if self.socket is not None:
            self.socket.close()


class _Answered(Exception):
    """The server answered an SMTP command with a refusal."""

    def __init__(self, verb: str, code: int, said: bytes | str) -> None:
        self.verb, self.code = verb, code
        super().__init__(describe(code, said))


def _refusal(refused: _Answered, said: str) -> Refusal:
    if refused.code in {530, 535, 538} or (refused.verb == "MAIL" and refused.code >= 500):
        return MailStopped(f"The mail server refuses the sender: {said}.")
    # 552 more often means a full mailbox than a letter that is too long.
    if refused.code >= 500 and refused.code != 552:
        return LetterRefused(said)
    return TryLater(said)
