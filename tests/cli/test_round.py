"""The worker's round: once an hour, what is due is erased."""

from datetime import timedelta

from registration.cli import worker
from registration.database import reading, writing
from registration.models import Registration

from .. import builders
from .test_worker import owe, people


def test_a_round_erases_what_is_due_and_leaves_the_rest(app, clock):
    owe(*people(3))
    builders.confirm("person2@example.net")
    builders.deliver()
    clock.advance(hours=72)
    worker.make_round()
    with reading() as session:
        assert session.query(Registration).count() == 1
    assert [letter["To"] for letter in builders.kept_letters(app)] == ["person2@example.net"]
    assert builders.found("person2@example.net").confirmed_at


def test_a_round_is_made_once_an_hour(app, clock):
    builders.publish()
    worker.make_round()
    builders.register()
    with writing() as session:
        session.query(Registration).update({"erase_at": clock.now})
    clock.advance(minutes=59)
    worker.make_round()
    with reading() as session:
        assert session.query(Registration).count() == 1
    clock.advance(minutes=1)
    worker.make_round()
    with reading() as session:
        assert session.query(Registration).count() == 0


def test_a_round_is_made_when_the_clock_was_put_back(app, clock):
    worker.make_round()
    clock.now -= timedelta(days=400)
    owe("aigerim@example.org")
    with writing() as session:
        session.query(Registration).update({"erase_at": clock.now})
    worker.make_round()
    with reading() as session:
        assert session.query(Registration).count() == 0
