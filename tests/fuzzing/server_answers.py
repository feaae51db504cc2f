"""Answers of a mail server: any bytes at any verb. No letter is lost, no address is kept."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from registration.config import MailRoute
from registration.database import reading
from registration.mail.delivery import MailStopped, ServerUnavailable
from registration.mail.smtp_answers import MAX_LENGTH
from registration.models import Letter, LetterState
from registration.worker import loop

from .. import builders
from ..mail.raw_server import RawServer
from . import texts
from .readers import Injection, NotReadBack
from .service import Service

VERBS = ["GREETING", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "BODY", "RSET", "QUIT"]
EARLY = VERBS[:3]
ADDRESS = "aigerim.nurlan@institute.example.kz"
NAME = "Айгерим Nurlan"
_QUOTED = [ADDRESS, ADDRESS.upper(), f"<{ADDRESS}>", "aigerim.nurlan", "institute.example.kz",
           NAME, "NURLAN", "https://127.0.0.1/registrations/abc"]  # fmt: skip
# Words that no kept answer may contain.
PRIVATE = ("aigerim", "nurlan", "айгерим", "institute.example", "registrations/")


@dataclass(frozen=True)
class Answer:
    """The answer of the server to one verb, and whether it then hangs up."""

    verb: str
    said: bytes
    hangs_up: bool


def strategy() -> st.SearchStrategy[Answer]:
    """Return answers of the right form with any words, and any bytes."""
    words = st.one_of(texts.hostile(3), st.sampled_from(_QUOTED)).map(
        lambda text: " ".join(text.split()).encode()
    )
    code = st.sampled_from([b"220", b"250", b"354", b"421", b"450", b"451", b"452", b"500", b"535",
                            b"550", b"552", b"554", b"999", b"000"])  # fmt: skip
    line = st.tuples(code, st.just(b" "), words, st.just(b"\r\n")).map(b"".join)
    part = st.tuples(st.just(b"250-"), words, st.just(b"\r\n")).map(b"".join)
    whole = st.tuples(st.lists(part, max_size=2).map(b"".join), line).map(b"".join)
    verb = st.sampled_from(VERBS)
    formed = st.builds(Answer, verb, whole, st.booleans())
    # After an answer without an end the server must hang up: a client may wait for the rest.
    anything = st.one_of(st.binary(max_size=80), st.binary(max_size=4).map(lambda it: it * 3000))
    return texts.mostly(formed, st.builds(Answer, verb, anything, hangs_up=st.just(value=True)))


def _telling(answer: Answer) -> Callable[[socket.socket], None]:
    def tell(connection: socket.socket) -> None:
        connection.sendall(answer.said)
        if answer.hangs_up:
            connection.shutdown(socket.SHUT_WR)

    return tell


def check(service: Service, answer: Answer) -> bool:
    """Deliver a letter to such a server; return whether it was accepted."""
    builders.register("water", ADDRESS, name=NAME)
    try:
        with RawServer(**{answer.verb: _telling(answer)}) as server:
            _deliver(service, server.port)
            return _is_kept_safely(answer, len(server.letters))
    finally:
        service.forget_people()


def _deliver(service: Service, port: int) -> None:
    """Deliver due letters to the server at this port, as the worker does."""
    settings = service.app.extensions["settings"]
    route = MailRoute(host="127.0.0.1", port=port)
    service.app.extensions["settings"] = replace(settings, mail=route)
    try:
        with suppress(ServerUnavailable, MailStopped):
            loop.deliver_due()
    finally:
        service.app.extensions["settings"] = settings


def _is_kept_safely(answer: Answer, arrived: int) -> bool:
    with reading() as tx:
        letter = tx.query(Letter).one()
    said = letter.server_answer or ""
    # Before it was told whom the letter is for, a server has nobody to name.
    private = [word for word in PRIVATE if word in said.casefold() and answer.verb not in EARLY]
    if (
        private
        or not said.isprintable()
        or len(said) > MAX_LENGTH + len("The mail server refuses the sender: .")
    ):
        raise Injection(f"an answer is kept as {said!r}")
    # If an unusual answer invites the client to send the letter, this server reads it as commands.
    if letter.state is LetterState.SENT and not arrived and answer.verb != "DATA":
        raise NotReadBack("a letter that no server has is taken for sent")
    if letter.state not in {LetterState.SENT, LetterState.OWED, LetterState.FAILED}:
        raise NotReadBack(f"a letter is {letter.state}")
    return letter.state is LetterState.SENT
