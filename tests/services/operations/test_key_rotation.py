"""Rotating the key: everything opens with the new one only, links survive, nobody is lost."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select, update

from registration import app_context, create_app, database
from registration.crypto.key_ring import SealBroken
from registration.database import DatabaseBusy, reading, scrub, writing
from registration.models import Installation, Registration
from registration.services.operations import key_rotation
from registration.services.operations.key_rotation import Rotation
from registration.services.registrations import self_service

from ... import builders
from ...machine import on_sqlite
from ...server_process import TOP, environment

PEOPLE = [f"person{number}@example.org" for number in range(7)]


def rotate() -> Rotation:
    settings = app_context.settings()
    with writing() as tx:
        return key_rotation.rotate(tx, settings.keys, settings.credentials)


def test_after_a_rotation_everything_opens_with_the_new_key_alone(app, monkeypatch):
    monkeypatch.setattr(key_rotation, "ROWS_A_STEP", 3)
    builders.publish()
    tokens = [builders.register_and_confirm(address).token for address in PEOPLE]
    before = builders.ring().current
    done = rotate()
    assert done == Rotation(before, builders.ring().current, len(PEOPLE))
    (app_context.settings().keys / f"{before}.key").unlink()
    assert builders.ring().current != before
    with reading() as tx:
        found = [self_service.by_token(tx, token)[0] for token in tokens]
        assert [row.attendee(tx.keys).address for row in found] == PEOPLE
        assert {row.key_id for row in found} == {tx.keys.current}


def test_after_a_rotation_a_known_address_is_known_still(app):
    builders.publish()
    builders.register_and_confirm()
    rotate()
    builders.register()
    with reading() as tx:
        assert tx.query(Registration).count() == 1
    assert builders.letter_kinds()[-1] == "already_registered"


def test_a_process_that_was_started_before_goes_on_with_the_new_key(app, instance, clock):
    builders.publish()
    builders.register_and_confirm()
    other = create_app(instance, clock=clock)
    with other.app_context():
        builders.ring()  # it has the old key in hand
        with app.app_context():
            rotate()
        builders.register()
        builders.register("water", "bolat@example.org")
        with reading() as tx:
            rows = tx.query(Registration).all()
            assert {row.key_id for row in rows} == {tx.query(Installation).one().key_fingerprint}
            assert len(rows) == 2
        database.engine().dispose()


def test_registrations_during_rotations_are_neither_doubled_nor_lost(app):
    builders.publish()

    def turn() -> None:
        with suppress(DatabaseBusy):  # two rotations may stand in each other's way
            rotate()

    acts = [lambda address=address: builders.register(address=address) for address in PEOPLE * 4]
    acts[5:5] = acts[15:15] = [turn]
    builders.at_once(app, acts)
    with reading() as tx:
        ring = tx.keys
        held = [row.attendee(ring).address for row in tx.query(Registration)]
    assert sorted(held) == PEOPLE
    builders.register(address=PEOPLE[0])
    with reading() as tx:
        assert tx.query(Registration).count() == len(PEOPLE)


def test_a_registration_that_does_not_open_stops_the_rotation_and_nothing_changes(app):
    builders.publish()
    for address in PEOPLE:
        builders.register(address=address)
    with writing() as tx:
        last = tx.scalars(select(Registration.id).order_by(Registration.id.desc())).first()
        tx.execute(update(Registration).where(Registration.id == last).values(sealed=b"not sealed"))
    before, keys = builders.every_row(), sorted(app_context.settings().keys.iterdir())
    with pytest.raises(SealBroken):
        rotate()
    assert builders.every_row() == before
    assert sorted(app_context.settings().keys.iterdir()) == keys


@on_sqlite
def test_neither_old_seals_nor_old_indexes_stay_in_the_raw_file(app, instance):
    builders.publish()
    for address in PEOPLE:
        builders.register(address=address)
    with reading() as tx:
        old = [v for row in tx.query(Registration) for v in (row.sealed, row.address_index)]
    rotate()
    scrub()
    folder = Path(instance["INSTANCE"])
    raw = b"".join(path.read_bytes() for path in folder.glob("registration.sqlite3*"))
    with reading() as tx:
        assert tx.query(Registration).first().sealed in raw
    assert [value for value in old if value in raw] == []


KILLED = """
import os, signal, sys
from sqlalchemy import event
from registration import create_app, database
app = create_app()
left = [int(sys.argv[1])]

def count(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

with app.app_context():
    event.listen(database.engine(), "before_cursor_execute", count)
    event.listen(database.engine(), "commit", count)
    from registration.services.operations import key_rotation
    key_rotation.ROWS_A_STEP = 3
    app.test_cli_runner().invoke(args=["keys", "rotate"], catch_exceptions=False)
"""


@pytest.mark.slow
def test_a_rotation_killed_anywhere_leaves_everything_under_one_key(app, instance):
    builders.publish()
    for address in PEOPLE:
        builders.register(address=address)
    database.engine().dispose()
    ends = []
    for moment in range(1, 40, 3 if "DATABASE_URL" not in instance else 5):
        words = [sys.executable, "-c", KILLED, str(moment)]
        done = subprocess.run(words, cwd=TOP, env=environment(instance), capture_output=True)
        ends.append(done.returncode)
        with reading() as tx:
            ring = tx.keys
            rows = tx.query(Registration).all()
            assert {row.key_id for row in rows} == {ring.current}
            assert sorted(row.attendee(ring).address for row in rows) == PEOPLE
        if done.returncode == 0:
            break
    assert ends == [-signal.SIGKILL] * (len(ends) - 1) + [0], done.stderr.decode()
    assert len(ends) > 2
    builders.register(address=PEOPLE[0])
    with reading() as tx:
        assert tx.query(Registration).count() == len(PEOPLE)
