"""A real SMTP server for tests: it keeps what it accepts, and can be told to be faulty."""

from asyncio import Server
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from flask import Flask

from registration.config import MailRoute


class _Controller(Controller):
    """Finds out which free port it was given before it calls itself there."""

    server: Server

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class MailServer:
    """An SMTP server on a free port of loopback.

    `refusals` maps a verb ("MAIL", "RCPT", "DATA") to a function that takes the recipient (or
    sender) and returns an answer such as "550 no such user", or None to accept.
    """

    def __init__(self, password: str | None = None) -> None:
        self.messages: list[EmailMessage] = []
        self.connections = 0
        self.refusals: dict[str, Callable[[str], str | None]] = {}
        self.password = password
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            auth_require_tls=False,
            authenticator=self._authenticate if password else None,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        given = getattr(data, "password", b"").decode()
        return AuthResult(success=given == self.password, handled=False)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, host: str, answers: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = host
        return answers

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refusal("MAIL", address):
            return refusal
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refusal("RCPT", address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if refusal := self._refusal("DATA", envelope.rcpt_tos[0]):
            return refusal
        self.messages.append(message_from_bytes(envelope.content, policy=POLICY))
        return f"250 queued for {envelope.rcpt_tos[0]}"

    def _refusal(self, verb: str, address: str) -> str | None:
        return self.refusals.get(verb, lambda _address: None)(address)

    @property
    def port(self) -> int:
        return self._controller.server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The MAIL_URL of this server."""
        return f"smtp://127.0.0.1:{self.port}"

    def take_letters_of(self, app: Flask) -> None:
        """Have an app of this process send its letters here, as its MAIL_URL would."""
        route = MailRoute(host="127.0.0.1", port=self.port)
        app.extensions["settings"] = replace(app.extensions["settings"], mail=route)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
