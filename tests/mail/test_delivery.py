"""One batch over SMTP: the result of every kind of answer, silence and fault of a server."""

import socket
import threading
import time
from email.message import EmailMessage

import pytest

from registration.config import MailRoute
from registration.mail import delivery
from registration.mail.delivery import (
    LetterRefused,
    MailStopped,
    ServerUnavailable,
    SmtpDelivery,
    TryLater,
)
from registration.mail.headers import POLICY

from .raw_server import POLITE, RawServer, dripping, hangs_up_within

SENDER = "events@example.org"
HOST = "events.example.org"
KEY = "0123456789abcdef0123456789abcdef"


def letter(recipient="aigerim.n@example.net", text="Hello\n.\n..dots\n"):
    message = EmailMessage(policy=POLICY)
    message["To"] = recipient
    message["Message-ID"] = "<1@events.example.org>"
    message.set_content(text)
    return message


def to(server, deadline=10, **route):
    """Return a delivery to a server of this test."""
    route = MailRoute(host="127.0.0.1", port=server.port, **route)
    return SmtpDelivery(route, SENDER, HOST, deadline=deadline)


def sent(batch, message=None):
    """Open, send one letter, close; return the answer."""
    try:
        batch.open()
        return batch.send(KEY, message or letter())
    finally:
        batch.close()


def test_a_letter_is_handed_over_under_our_own_name():
    with RawServer(BODY=b"250 queued as 4711\r\n") as server:
        assert sent(to(server)) == "250"
    # The verbs' case differs between the versions of smtplib.
    assert [line.casefold() for line in server.heard] == [
        f"ehlo {HOST}",
        f"mail from:<{SENDER}> body=8bitmime",
        "rcpt to:<aigerim.n@example.net>",
        "data",
        "quit",
    ]
    assert server.letters == [letter().as_bytes()]
    head = server.letters[0] + "".join(server.heard).encode()
    assert socket.gethostname().encode() not in head


def test_an_old_server_is_greeted_as_it_knows_it():
    with RawServer(EHLO=b"502 what?\r\n") as server:
        sent(to(server))
    heard = [line.casefold() for line in server.heard[1:3]]
    assert heard == [f"helo {HOST}", f"mail from:<{SENDER}>"]


@pytest.mark.parametrize(
    ("host", "greeting"),
    [
        ("events.example.org", "events.example.org"),
        ("127.0.0.1", "[127.0.0.1]"),
        ("::1", "[IPv6:::1]"),
    ],
)
def test_the_greeting_is_the_host_of_the_public_url(host, greeting):
    with RawServer() as server:
        sent(delivery.for_route(MailRoute(host="127.0.0.1", port=server.port), SENDER, host))
    assert server.heard[0] == f"ehlo {greeting}"


def test_a_batch_goes_over_one_connection():
    with RawServer() as server:
        batch = to(server)
        batch.open()
        for number in range(20):
            batch.send(KEY, letter(f"person{number}@example.net"))
        batch.close()
    assert (server.connections, len(server.letters)) == (1, 20)


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "BODY"])
@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (421, TryLater),
        (450, TryLater),
        (451, TryLater),
        (452, TryLater),
        (550, LetterRefused),
        (552, TryLater),
        (553, LetterRefused),
        (554, LetterRefused),
        (530, MailStopped),
        (299, TryLater),
    ],
)
def test_each_answer_comes_to_its_outcome_and_the_next_letter_goes_on(verb, code, outcome):
    with RawServer() as server:
        batch = to(server)
        batch.open()
        server.answers[verb] = f"{code} 4.2.1 so it is\r\n".encode()
        with pytest.raises(outcome, match=f"{code} 4.2.1 so it is"):
            batch.send(KEY, letter())
        server.answers[verb] = POLITE.get(verb, b"250 OK\r\n")
        batch.send(KEY, letter("next@example.net"))
        batch.close()
    assert "rset" in server.heard
    assert server.connections == 1


@pytest.mark.parametrize("code", [530, 535, 550, 553, 554])
def test_a_sender_who_is_refused_stops_the_mail(code):
    with (
        RawServer(MAIL=f"{code} not you\r\n".encode()) as server,
        pytest.raises(MailStopped, match=f"refuses the sender: {code} not you"),
    ):
        sent(to(server))


@pytest.mark.parametrize("code", [421, 450, 451, 452])
def test_a_sender_who_is_put_off_is_tried_later(code):
    with RawServer(MAIL=f"{code} later\r\n".encode()) as server, pytest.raises(TryLater):
        sent(to(server))


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
def test_a_dropped_connection_retries_its_letter_and_returns_the_rest(verb):
    with RawServer(**{verb: None}) as server:
        batch = to(server)
        batch.open()
        with pytest.raises(TryLater):
            batch.send(KEY, letter())
        with pytest.raises(ServerUnavailable, match="connection has ended"):
            batch.send(KEY, letter("next@example.net"))
        batch.close()


def test_a_connection_that_drops_within_the_letter_is_tried_later():
    with RawServer(DATA=hangs_up_within) as server, pytest.raises(TryLater):
        sent(to(server), letter(text="long\n" * 500_000))


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"421 too busy\r\n",
        b"554 go away\r\n",
        b"\x00\xff\x1b[2J garbage\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220" + b"x" * 20_000 + b"\r\n",
    ],
)
def test_a_server_that_does_not_take_us_burns_no_letter(verb, answer):
    with RawServer(**{verb: answer, "HELO": answer}) as server:
        batch = to(server, deadline=0.5)
        with pytest.raises(ServerUnavailable) as told:
            batch.open()
        batch.close()
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 250


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
@pytest.mark.parametrize(
    "answer", [b"\x00\xff garbage\r\n", b"250" + b"x" * 20_000 + b"\r\n", b"\r\n", b"999 what\r\n"]
)
def test_a_garbled_answer_is_told_in_one_clean_line(verb, answer):
    with RawServer(**{verb: answer}) as server, pytest.raises(Exception) as told:  # noqa: PT011
        sent(to(server))
    outcomes = {LetterRefused, MailStopped} if answer[:1] == b"9" else {TryLater}
    assert type(told.value) in outcomes
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 250


def test_an_answer_of_many_lines_is_one_line():
    answer = b"550-5.1.1 The mailbox\r\n550 5.1.1 is gone\r\n"
    with RawServer(RCPT=answer) as server, pytest.raises(LetterRefused) as told:
        sent(to(server))
    assert str(told.value) == "550 5.1.1 The mailbox 5.1.1 is gone"


@pytest.mark.parametrize("said", [b"2", b"250", b"250 2.0.0 queued", b"250-queued\r\n250"])
def test_a_truncated_answer_does_not_accept_a_letter(said):
    def cut(connection: socket.socket) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_RDWR)

    with RawServer(BODY=cut) as server, pytest.raises(TryLater):
        sent(to(server))


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "QUIT"])
def test_the_deadline_cuts_a_server_that_drips(verb):
    begun = time.monotonic()
    with RawServer(**{verb: dripping}) as server:
        try:
            sent(to(server, deadline=0.3))
        except (TryLater, ServerUnavailable):
            assert verb != "QUIT"
        else:
            assert verb == "QUIT"
    assert 0.25 < time.monotonic() - begun < 3


def test_the_deadline_holds_also_when_it_passes_while_connecting():
    begun = time.monotonic()
    with RawServer(GREETING=dripping) as server, pytest.raises(ServerUnavailable):
        sent(to(server, deadline=0))
    assert time.monotonic() - begun < 3


def test_no_timer_is_left_when_a_batch_is_closed():
    with RawServer() as server:
        sent(to(server))
    for timer in (
        thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)
    ):
        timer.join(5)  # a cancelled one ends by itself, and its deadline is two minutes away
        assert not timer.is_alive()


def test_no_server_at_all_burns_no_letter():
    with RawServer() as server:
        pass
    with pytest.raises(ServerUnavailable, match="Connection refused"):
        sent(to(server))


@pytest.mark.parametrize("host", ["mail.example.invalid", "localhost.invalid"])
def test_a_name_that_does_not_resolve_burns_no_letter(host):
    with pytest.raises(ServerUnavailable, match="The mail server: "):
        sent(SmtpDelivery(MailRoute(host=host, port=25), SENDER, HOST))


@pytest.mark.parametrize("host", ["mail..example.org", "a" * 64 + ".example.org"])
def test_a_host_that_is_no_name_stops_the_mail(host):
    with pytest.raises(MailStopped, match="MAIL_URL"):
        sent(SmtpDelivery(MailRoute(host=host, port=25), SENDER, HOST))
