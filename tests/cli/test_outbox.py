"""flask outbox: deliver, list and retry, with their words and exit statuses."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from registration import app_context
from registration.database import reading, writing
from registration.models import Letter, LetterState

from .. import builders

TOP = Path(__file__).parent.parent.parent


@pytest.fixture
def flask(app):
    """A function that runs a command of the service."""

    def run(*words):
        return app.test_cli_runner().invoke(args=words)

    return run


def fail_all():
    with writing() as tx:
        tx.query(Letter).update({"state": LetterState.FAILED, "attempts": 9})


def numbers():
    with reading() as tx:
        return [str(letter.id) for letter in tx.query(Letter).order_by(Letter.id)]


def test_deliver_says_how_many_letters_were_delivered(flask):
    builders.publish()
    builders.register()
    answer = flask("outbox", "deliver")
    assert (answer.exit_code, answer.output) == (0, "1 letters delivered.\n")
    assert flask("outbox", "deliver").output == "0 letters delivered.\n"


def test_deliver_says_why_nothing_could_be_sent(flask):
    builders.publish()
    builders.register()
    app_context.letters_folder().write_text("a file")
    answer = flask("outbox", "deliver")
    assert answer.exit_code == 1
    assert answer.stderr == ("Error: The letters' folder cannot be opened or made: File exists.\n")


def test_list_shows_where_each_letter_stands_and_nobody(flask, clock):
    builders.publish()
    builders.register()
    builders.deliver()
    answer = flask("outbox", "list", "--json")
    (row,) = json.loads(answer.output)
    assert row == {
        "id": int(numbers()[0]),
        "kind": "address_confirmation",
        "state": "sent",
        "attempts": 1,
        "due_at": clock.now.isoformat(),
        "sent_at": clock.now.isoformat(),
        "server_answer": "kept in the letters' folder",
    }
    table = flask("outbox", "list")
    assert table.exit_code == 0
    assert "address_confirmation  sent" in table.output
    for word in ("aigerim", "Айгерим", builders.attendee().token):
        assert word not in answer.output + table.output


def test_retry_owes_letters_again(flask):
    builders.publish()
    builders.register()
    fail_all()
    (number,) = numbers()
    answer = flask("outbox", "retry", number, number)
    assert (answer.exit_code, answer.output) == (0, "1 of 1 letters will be tried again.\n")
    assert flask("outbox", "deliver").output == "1 letters delivered.\n"


def test_retry_owes_again_every_letter_that_a_restore_held(flask):
    builders.publish()
    for number in range(3):
        builders.register(address=f"a{number}@example.org")
    with writing() as tx:
        last = max(map(int, numbers()))
        tx.execute(update(Letter).where(Letter.id < last).values(state=LetterState.HELD))
    answer = flask("outbox", "retry", "--held", str(last))
    assert (answer.exit_code, answer.output) == (0, "3 of 3 letters will be tried again.\n")
    assert flask("outbox", "deliver").output == "3 letters delivered.\n"
    answer = flask("outbox", "retry", "--held")
    assert (answer.exit_code, answer.output) == (0, "0 of 0 letters will be tried again.\n")


def test_retry_needs_to_be_told_which(flask):
    answer = flask("outbox", "retry")
    assert answer.exit_code == 2
    assert "Error: Name letters by their ids, or say --held.\n" in answer.stderr


def test_retry_says_when_a_letter_is_sent_or_not_there(flask):
    builders.publish()
    builders.register()
    fail_all()
    answer = flask("outbox", "retry", *numbers(), "2000000000")
    assert answer.exit_code == 1
    assert answer.stdout == "1 of 2 letters will be tried again.\n"
    assert answer.stderr == "Error: The others are sent already, or do not exist.\n"


@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999999999", ""])
def test_retry_refuses_a_number_of_no_letter(flask, number):
    answer = flask("outbox", "retry", "--", number)
    assert answer.exit_code == 2
    assert "Invalid value" in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
def test_deliver_forever_delivers_and_ends_at_a_signal(app, instance, clock, number):
    clock.now = datetime.now(UTC)  # the other process has the clock of the machine
    builders.publish(builders.file('registration = "open"'))
    builders.register()
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "outbox", "deliver", "--forever"],
        cwd=TOP,
        env=os.environ | {"REGISTRATION_INSTANCE": instance["INSTANCE"]},
        stderr=subprocess.PIPE,
    ) as process:
        new = app_context.letters_folder() / "new"
        deadline = time.monotonic() + 20
        while not (new.is_dir() and any(new.iterdir())) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _out, said = process.communicate(timeout=10)
    assert (process.returncode, said.decode()) == (0, "")
    assert [letter["To"] for letter in builders.kept_letters(app)] == ["aigerim@example.org"]
