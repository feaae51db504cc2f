"""The worker with real servers: letters of the outbox are sent, retried or failed."""

import logging
import threading
import time

import pytest
from sqlalchemy import text

from registration import app_context, create_app, database
from registration.crypto.key_ring import KeysRefused
from registration.database import DatabaseUnavailable, reading, writing
from registration.mail.delivery import MaildirDelivery, MailStopped, ServerUnavailable
from registration.models import Letter, Registration
from registration.services.erasure import erasures
from registration.services.registrations import self_service
from registration.worker import housekeeping, loop

from .. import builders
from ..mail.raw_server import RawServer

NAME = "Айгерим"
OFFER = b"250-mail.example.org\r\n250 AUTH PLAIN\r\n"


@pytest.fixture
def mailing(app_with, mail_server):
    """The service, freshly installed, with letters sent to the mail server."""
    app = app_with(PUBLIC_URL="https://events.example.org")
    mail_server.take_letters_of(app)
    with app.app_context():
        yield app


def _mailing(instance, clock, url, **settings):
    settings = {"MAIL_URL": url, "PUBLIC_URL": "https://events.example.org"} | settings
    app = create_app(instance | settings, clock=clock)
    with app.app_context():
        yield app
        database.engine().dispose()


def owe(*addresses):
    builders.publish()
    for address in addresses:
        builders.register(address=address)


def people(count):
    return [f"person{number}@example.net" for number in range(count)]


def letters():
    with reading() as tx:
        return tx.query(Letter).order_by(Letter.id).all()


def stands():
    return [(letter.state.value, letter.attempts) for letter in letters()]


def recipients(server):
    return [message["To"] for message in server.messages]


def break_seal(address):
    number = builders.registration_of(address).id
    with writing() as tx:
        tx.get(Registration, number).sealed = b"broken"


def running(app, stop):
    thread = threading.Thread(
        target=loop.run, args=(app, stop), kwargs={"poll_seconds": 0.01, "first_wait_seconds": 0.02}
    )
    thread.start()
    return thread


def within(seconds, is_so):
    """Wait until it is so; return whether it came to be."""
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


def test_a_batch_goes_over_one_connection_and_is_recorded(mailing, mail_server, clock):
    owe(*people(5))
    assert loop.deliver_due() == 5
    assert recipients(mail_server) == people(5)
    assert mail_server.connections == 1
    assert stands() == [("sent", 1)] * 5
    assert {(letter.sent_at, letter.lease_until) for letter in letters()} == {(clock.now, None)}
    assert loop.deliver_due() == 0


def test_the_calendar_arrives_with_its_line_ends(mailing, mail_server):
    builders.publish()
    builders.register_and_confirm()
    loop.deliver_due()
    (message,) = [found for found in mail_server.messages if found.is_multipart()][-1:]
    contents = [
        part.get_payload(decode=True)
        for part in message.walk()
        if part.get_content_type() in {"text/calendar", "application/ics"}
    ]
    assert len(contents) == 2
    assert contents[0] == contents[1]
    assert contents[0].count(b"\r\n") == contents[0].count(b"\n") > 10


def test_a_refused_recipient_does_not_stop_the_others(mailing, mail_server):
    owe(*people(3))
    said = "550 5.1.1 no such user"
    mail_server.refusals["RCPT"] = {"person1@example.net": said}.get
    assert loop.deliver_due() == 2
    assert stands() == [("sent", 1), ("failed", 1), ("sent", 1)]
    assert letters()[1].server_answer == said
    assert mail_server.connections == 1


def letter_id() -> str:
    with reading() as tx:
        (letter,) = tx.query(Letter)
        return letter.message_id(tx.keys, tx.settings.host)


def test_a_letter_put_off_comes_later_under_the_same_message_id(mailing, mail_server, clock):
    owe("aigerim@example.org")
    mail_server.refusals["DATA"] = lambda _to: "451 4.3.0 later"
    refused = letter_id()
    assert loop.deliver_due() == 0
    assert stands() == [("owed", 1)]
    mail_server.refusals.clear()
    assert loop.deliver_due() == 0
    clock.advance(minutes=1)
    assert loop.deliver_due() == 1
    assert mail_server.messages[0]["Message-ID"] == refused == letter_id()
    assert mail_server.messages[0]["Message-ID"].endswith("@events.example.org>")
    assert mail_server.messages[0]["Date"].datetime == clock.now


def test_a_letter_that_cannot_be_written_blocks_no_other_and_tells_nothing(
    mailing, mail_server, caplog
):
    owe(*people(3))
    break_seal("person1@example.net")
    assert loop.deliver_due() == 2
    assert stands() == [("sent", 1), ("failed", 1), ("sent", 1)]
    assert letters()[1].server_answer == "cannot be written: SealBroken"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Letter {letters()[1].id} cannot be written: SealBroken")


def test_server_answers_about_people_are_kept_nowhere(mailing, mail_server, caplog):
    caplog.set_level(logging.DEBUG, logger="registration")
    owe("aigerim.n@example.net", "saule@example.net", "later@example.net")
    mail_server.refusals["RCPT"] = {
        "aigerim.n@example.net": f"550 {NAME} <aigerim.n@example.net> (aigerim.n) has left",
        "later@example.net": f"450 later@example.net ({NAME.upper()}) is full",
    }.get
    assert loop.deliver_due() == 1
    assert stands() == [("failed", 1), ("sent", 1), ("owed", 1)]
    kept = "".join(builders.every_row()["letters"]).casefold() + caplog.text.casefold()
    for word in (NAME, "aigerim", "saule", "later@", "example.net"):
        assert word.casefold() not in kept


def test_the_truth_is_asked_when_a_letter_is_sent(mailing, mail_server, clock):
    builders.publish()
    person = builders.register_and_confirm()
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)
    assert builders.letter_kinds() == ["address_confirmation", "confirmation", "withdrawal"]
    assert loop.deliver_due() == 1
    assert stands() == [("dropped", 0), ("dropped", 0), ("sent", 1)]
    assert mail_server.messages[0]["Subject"] == "You have withdrawn: Who owns the water?"


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ({"GREETING": b"554 go away\r\n"}, ServerUnavailable),
        ({"GREETING": b"\x00 garbage\r\n"}, ServerUnavailable),
        ({"EHLO": b"550 no\r\n", "HELO": b"550 no\r\n"}, ServerUnavailable),
        ({"EHLO": OFFER, "AUTH": b"535 5.7.8 no\r\n"}, MailStopped),
        (
            {"EHLO": OFFER, "AUTH": b"235 ok\r\n", "MAIL": b"553 no\r\n"},
            MailStopped,
        ),
    ],
)
@pytest.mark.parametrize("instance", ["postgresql"], indirect=True)  # it takes no NUL in a text
def test_a_server_that_refuses_us_burns_no_letter(instance, clock, answers, refusal):
    with RawServer(**({"EHLO": OFFER, "AUTH": b"235 ok\r\n"} | answers)) as server:
        url = f"smtp://registration:secret@127.0.0.1:{server.port}"
        for _app in _mailing(instance, clock, url):
            owe(*people(3))
            with pytest.raises(refusal):
                loop.deliver_due()
            assert stands() == [("owed", 0)] * 3
            assert {letter.lease_until for letter in letters()} == {None}
            assert {letter.due_at for letter in letters()} == {clock.now}
            (said,) = {letter.server_answer for letter in letters()}
            assert said.startswith("The mail server")
            assert "secret" not in said


def test_a_connection_that_ends_burns_one_attempt_and_gives_back_the_rest(instance, clock):
    with RawServer(BODY=None) as server:
        for _app in _mailing(instance, clock, f"smtp://127.0.0.1:{server.port}"):
            owe(*people(3))
            with pytest.raises(ServerUnavailable):
                loop.deliver_due()
            assert stands() == [("owed", 1), ("owed", 0), ("owed", 0)]
            assert {letter.lease_until for letter in letters()} == {None}


def test_missing_keys_burn_no_letter(app):
    owe(*people(2))
    for key in app_context.settings().keys.iterdir():
        key.rename(key.with_suffix(".elsewhere"))
    del app.extensions["ring"]
    with pytest.raises(KeysRefused):
        loop.deliver_due()
    assert stands() == [("owed", 0)] * 2


def test_stop_finishes_the_letter_in_hand_and_gives_back_the_rest(mailing, mail_server):
    owe(*people(4))
    stop = threading.Event()
    mail_server.refusals["DATA"] = lambda _to: stop.set()
    assert loop.deliver_due(stop) == 1
    assert recipients(mail_server) == people(1)
    assert stands() == [("sent", 1), ("owed", 0), ("owed", 0), ("owed", 0)]
    assert {letter.lease_until for letter in letters()} == {None}
    mail_server.refusals.clear()
    assert loop.deliver_due() == 3


def test_a_letter_kept_while_its_registration_is_erased_is_not_kept(app, clock):
    class Slow(MaildirDelivery):
        """A folder so slow that the registration is erased before the letter is marked."""

        def send(self, key, message, private=()):
            answer = super().send(key, message, private)
            with writing() as tx:
                (registration,) = tx.query(Registration)
                erasures.erase(tx, registration, letters=self.folder)
            return answer

    owe("aigerim@example.org")
    batch = Slow(app_context.letters_folder())
    batch.open()
    (letter,) = loop._claim()
    loop._deliver_one(batch, letter)
    assert builders.kept_letters(app) == []


def test_run_outlives_a_database_that_goes_away_for_a_moment(mailing, mail_server, caplog):
    owe("aigerim@example.org")
    stop = threading.Event()
    with writing() as tx:
        tx.execute(text("ALTER TABLE letters RENAME TO elsewhere"))
    thread = running(mailing, stop)
    assert within(5, lambda: len(caplog.records) > 2)
    with writing() as tx:
        tx.execute(text("ALTER TABLE elsewhere RENAME TO letters"))
    assert within(5, lambda: mail_server.messages)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert stands() == [("sent", 1)]


def test_the_worker_logs_each_failure_of_the_mail_server_and_goes_on(instance, clock, caplog):
    with RawServer(EHLO=OFFER, AUTH=b"535 5.7.8 no\r\n") as server:
        for app in _mailing(instance, clock, f"smtp://me:secret@127.0.0.1:{server.port}"):
            owe(*people(10))
            stop = threading.Event()
            thread = running(app, stop)
            assert within(5, lambda: server.connections > 2)
            stop.set()
            thread.join(5)
            assert stands() == [("owed", 0)] * 10
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == server.connections
    assert {line.partition(". ")[2] for line in told} == {
        "The mail server refuses to sign us in: 535 5.7.8 no."
    }


def test_a_round_that_fails_keeps_no_letter_back(mailing, mail_server):
    owe("aigerim@example.org")
    with writing() as tx:
        tx.execute(text("ALTER TABLE erasures RENAME TO elsewhere"))
        tx.query(Registration).update({"erase_at": app_context.now()})
    with pytest.raises(DatabaseUnavailable):
        housekeeping.run_hourly()
    stop = threading.Event()
    thread = running(mailing, stop)
    assert within(5, lambda: mail_server.messages)
    stop.set()
    thread.join(5)
