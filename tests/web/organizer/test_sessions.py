"""Where an organizer is signed in: listed, and ended one by one; and the browser cleared."""

import pytest

from registration.database import reading, writing
from registration.models import AuditEntry, Deed, SignIn
from registration.services.organizers import authentication

from ... import builders
from ...desk import Desk, signed_in
from ...machine import on_sqlite
from ...visitor import form_of, text_of, tree_of

SESSIONS, HOME = "/organizer/sessions", "/organizer/"


@pytest.fixture
def asel(app, clock) -> Desk:
    return signed_in(app, clock)


def another(asel: Desk) -> Desk:
    """Return another browser in which the same organizer is signed in."""
    other = Desk(asel.client.application, asel.clock)
    other.key = asel.key
    assert other.sign_in().status_code == 303
    return other


def rows(desk: Desk) -> list[str]:
    tree = tree_of(desk.get(SESSIONS).text)
    return [" ".join("".join(row.itertext()).split()) for row in tree.iter("tr")][1:]


def numbers() -> list[int]:
    with reading() as tx:
        return [it.id for it in tx.query(SignIn).order_by(SignIn.id)]


def is_in(desk: Desk) -> bool:
    return desk.get(HOME).status_code == 200


@on_sqlite
def test_the_list_has_times_and_marks_this_browser(app, clock, asel):
    clock.advance(minutes=50)
    other = another(asel)
    clock.advance(minutes=5)
    asel.get(HOME)
    # The test's clock moves when a code is taken, and when a form is filled in.
    assert rows(asel) == [
        "2 March 2026, 12:00 UTC 2 March 2026, 12:56 UTC 3 March 2026, 00:00 UTC This browser",
        "2 March 2026, 12:51 UTC 2 March 2026, 12:51 UTC 3 March 2026, 00:51 UTC End",
    ]
    assert [row.endswith("This browser") for row in rows(other)] == [True, False]
    assert [row.endswith("This browser") for row in rows(asel)] == [True, False]
    assert "Where you are signed in" in text_of(asel.get(HOME).text)


@on_sqlite
def test_no_session_that_is_over_or_of_somebody_else_is_listed(app, clock, asel):
    signed_in(app, clock, "dana@example.org")
    another(asel)
    clock.advance(minutes=45)
    assert len(rows(asel)) == 2
    clock.advance(minutes=30)
    assert len(rows(asel)) == 1


def test_each_session_can_be_ended_by_itself(app, clock, asel):
    second, third = another(asel), another(asel)
    mine, _second, last = numbers()
    answer = asel.fill(SESSIONS, f"/{last}/end")
    assert (answer.status_code, answer.location) == (303, SESSIONS)
    assert [is_in(desk) for desk in (asel, second, third)] == [True, True, False]
    assert mine in numbers()
    with reading() as tx:
        entry = tx.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert (entry.deed, entry.count) == (Deed.SESSION_ENDED, 1)


def test_all_others_are_ended_at_once(app, clock, asel):
    others = [another(asel) for _ in range(3)]
    dana = signed_in(app, clock, "dana@example.org")
    asel.fill(SESSIONS, "/end-others")
    assert is_in(asel)
    assert is_in(dana)
    assert not any(is_in(desk) for desk in others)
    assert "End all others" not in asel.get(SESSIONS).text
    assert "other browsers signed out" in asel.get("/organizer/log").text


@on_sqlite
@pytest.mark.parametrize("kind", ["another's", "ended", "no one's", "too large"])
def test_the_session_of_somebody_else_is_not_there(app, clock, asel, kind):
    dana = signed_in(app, clock, "dana@example.org")
    _mine, theirs = numbers()
    number = {"another's": theirs, "ended": 3, "no one's": 0, "too large": 2**70}[kind]
    if kind == "ended":
        another(asel)
        asel.fill(SESSIONS, "/3/end")
    token = {"csrf_token": form_of(asel.get(SESSIONS).text)[1]["csrf_token"]}
    before = builders.every_row()
    answer = asel.client.post(f"{SESSIONS}/{number}/end", data=token)
    assert (answer.status_code, answer.data) == (404, asel.get("/organizer/never").data)
    assert builders.every_row() == before
    assert is_in(dana)


@on_sqlite
def test_a_session_is_not_ended_without_its_token_or_by_a_get(app, clock, asel):
    another(asel)
    for path in (f"{SESSIONS}/2/end", f"{SESSIONS}/end-others"):
        assert asel.client.post(path).status_code == 422
        assert asel.get(path).status_code == 404
    assert numbers() == [1, 2]


@on_sqlite
def test_ending_this_session_signs_out(app, clock, asel):
    token = {"csrf_token": form_of(asel.get(SESSIONS).text)[1]["csrf_token"]}
    answer = asel.client.post(f"{SESSIONS}/1/end", data=token)
    assert (answer.status_code, answer.location) == (303, "/organizer/sign-in")
    assert not is_in(asel)


def test_a_session_that_two_browsers_end_at_once_is_ended_once(app, clock, asel):
    another(asel)

    def end() -> bool:
        try:
            with writing() as tx:
                authentication.end_session(tx, 1, 2)
        except authentication.NoSuchSession:
            return False
        return True

    assert sorted(builders.at_once(app, [end] * 4)) == [False, False, False, True]


@on_sqlite
@pytest.mark.parametrize("act", ["sign-out", "sign-out-everywhere"])
def test_signing_out_clears_the_browser_and_keeps_its_mark(app, clock, act):
    asel = Desk(app, clock)
    asel.key = signed_in(app, clock).key
    assert asel.sign_in().status_code == 303
    answer = asel.fill(HOME, f"/{act}")
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    gone = [it.split("=")[0] for it in answer.headers.getlist("Set-Cookie") if "Max-Age=0" in it]
    assert sorted(gone) == ["organizer", "session"]
    # Failed tries of others must not lock this browser out afterwards.
    assert asel.client.get_cookie("organizer-device")
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_no_other_answer_clears_the_browser(app, clock, asel):
    for path in (HOME, SESSIONS, "/", "/organizer/sign-in"):
        assert "Clear-Site-Data" not in asel.get(path).headers
