"""flask organizer: accounts for the desk, and their roles."""

import json

import pytest

from registration import app_context
from registration.database import reading, writing
from registration.models import Role, SignIn
from registration.services.operations import key_rotation
from registration.services.organizers import accounts

from .. import builders
from ..desk import ASEL, Desk, signed_in
from ..machine import on_sqlite


def run(app, *words: str):
    return app.test_cli_runner().invoke(args=["organizer", *words])


def test_add_prints_a_link_that_lets_somebody_in(app, clock):
    done = run(app, "add", ASEL, "--role", "administrator")
    link, hint = done.output.splitlines()
    assert link.startswith("http://127.0.0.1:8000/organizer/invitation/")
    assert "within 72 hours" in hint
    asel = Desk(app, clock)
    assert asel.accept(link.rpartition("/")[2]).status_code == 200
    assert asel.sign_in().status_code == 303


def test_list_tells_who_may_do_what(app, clock):
    builders.publish(builders.with_questions())
    run(app, "add", "boss@example.org", "--role", "administrator")
    run(app, "add", ASEL, "--discussion", "water")
    run(app, "add", "lab@example.org", "--discussion", "water", "--partner", "PaperLab")
    signed_in(app, clock, "here@example.org")
    found = json.loads(run(app, "list", "--json").output)
    assert [tuple(row.values()) for row in found] == [
        ("boss@example.org", "administrator", None, None, "invited"),
        (ASEL, "organizer", None, ["water"], "invited"),
        ("lab@example.org", "partner", "PaperLab", ["water"], "invited"),
        ("here@example.org", "administrator", None, None, "active"),
    ]
    assert "lab@example.org" in run(app, "list").output


@on_sqlite
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", ASEL], "Say which discussions: --discussion SLUG, or --role administrator"),
        (["add", ASEL, "--discussion", "never"], "There is no discussion never."),
        (["add", ASEL, "--role", "administrator", "--discussion", "water"], "name none."),
        (["add", ASEL, "--role", "partner", "--discussion", "water"], "--partner NAME"),
        (
            ["add", ASEL, "--partner", "Nobody", "--discussion", "water"],
            "water shares nothing with Nobody: its [[sharing]] names Aral Fund, PaperLab.",
        ),
        (["add", "asel"], "no single @"),
        (["add", "boss@example.org", "--role", "administrator"], "may sign in already"),
        (["remove", ASEL], f"Nobody signs in with {ASEL}."),
        (["reset", ASEL], f"Nobody signs in with {ASEL}."),
    ],
)
def test_a_senseless_command_is_refused_in_a_sentence(app, words, said):
    builders.publish(builders.with_questions())
    run(app, "add", "boss@example.org", "--role", "administrator")
    before = builders.every_row()
    done = run(app, *words)
    assert done.exit_code != 0
    assert said in done.output
    assert builders.every_row() == before


@on_sqlite
def test_a_removed_organizer_can_be_added_again_and_begins_anew(app, clock):
    asel = signed_in(app, clock)
    assert run(app, "remove", ASEL).output == f"{ASEL} may sign in no more.\n"
    assert json.loads(run(app, "list", "--json").output) == []
    token = run(app, "add", ASEL, "--role", "administrator").output.splitlines()[0]
    assert asel.sign_in().status_code == 422
    assert asel.accept(token.rpartition("/")[2]).status_code == 200
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_reset_prints_another_link_and_the_one_before_ends(app, clock):
    first = run(app, "add", ASEL, "--role", "administrator").output.splitlines()[0]
    second = run(app, "reset", ASEL).output.splitlines()[0]
    asel = Desk(app, clock)
    assert asel.get(first.partition("8000")[2]).status_code == 404
    assert asel.accept(second.rpartition("/")[2]).status_code == 200


def test_a_rotation_of_keys_locks_nobody_out(app, clock):
    asel = signed_in(app, clock)
    with writing() as tx:
        key_rotation.rotate(tx, app_context.settings().keys, None)
    assert asel.sign_in().status_code == 303
    assert asel.sign_in(code=asel.recovery[0]).status_code == 303
    with reading() as tx:
        (found,) = accounts.list_all(tx)
        assert found.key_id == tx.keys.current
        assert tx.query(SignIn).count() == 1  # each sign-in ends the one before in its browser


@on_sqlite
def test_an_organizer_is_given_further_discussions_and_signs_in_as_before(app, clock):
    builders.publish()
    builders.publish_first()
    asel = signed_in(app, clock, ASEL, Role.ORGANIZER, "water")
    given = ("--discussion", "bloody-january", "--discussion", "water")
    assert run(app, "add", ASEL, *given).output == f"{ASEL} has bloody-january, water now, too.\n"
    for slug in ("water", "bloody-january"):
        assert asel.get(f"/organizer/discussions/{slug}").status_code == 200
