"""Signing in: by password and code, never told what is wrong, and over when it is to be over."""

import pytest
from sqlalchemy import text

from registration.database import reading, writing
from registration.models import AuditEntry, Deed, SignIn
from registration.services.organizers import accounts, authentication
from registration.services.rate_limits import TooManyForms
from registration.text import addresses

from ... import desk
from ...desk import ASEL, PASSWORD, SIGN_IN, Desk, invite, signed_in
from ...machine import on_sqlite
from ...visitor import Visitor, text_of

HOME = "/organizer/"


def log() -> list[Deed]:
    with reading() as tx:
        return [entry.deed for entry in tx.query(AuditEntry).order_by(AuditEntry.id)]


@pytest.fixture
def asel(app, clock) -> Desk:
    """Somebody who has a password and a second factor, and is not signed in."""
    asel = Desk(app, clock)
    assert asel.accept(invite()).status_code == 200
    return asel


def test_from_the_invitation_to_the_desk_and_out(app, clock, asel):
    assert len(asel.recovery) == 10
    answer = asel.sign_in()
    assert (answer.status_code, answer.location) == (303, HOME)
    page = asel.get(HOME)
    assert (page.status_code, ASEL in page.text) == (200, True)
    assert page.headers["Cache-Control"] == "no-store"
    answer = asel.fill(HOME, "/sign-out")
    assert (answer.status_code, answer.location) == (303, SIGN_IN)
    assert asel.get(HOME).status_code == 303
    assert log() == [Deed.ADDED, Deed.ACCEPTED, Deed.SIGNED_IN, Deed.SIGNED_OUT]


@on_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "nobody@example.org"},
        {"password": "gravel lantern weasel"},
        {"code": "000000"},
        {"code": "aaaaa-aaaaa"},
        {"code": "\u0661\u0662\u0663\u0664\u0665\u0666"},
    ],
)
def test_a_refused_sign_in_does_not_tell_the_reason(app, clock, asel, wrong):
    right = {"email": ASEL, "password": PASSWORD, "code": asel.code()}
    page = asel.fill(SIGN_IN, **right | wrong)
    assert page.status_code == 422
    assert "Address, password or code is wrong" in text_of(page.text)
    assert PASSWORD not in page.text
    assert "organizer=" not in str(page.headers)
    assert asel.get(HOME).status_code == 303


@on_sqlite
def test_signing_in_again_ends_the_session_that_the_browser_had(app, clock, asel):
    asel.sign_in()
    before = asel.client.get_cookie("organizer").value
    asel.sign_in()
    assert asel.get(HOME).status_code == 200
    assert Visitor(app, clock).get(HOME, Cookie=f"organizer={before}").status_code == 303


@on_sqlite
def test_a_code_is_used_once(app, clock, asel):
    code = asel.code()
    assert asel.sign_in(code=code).status_code == 303
    assert asel.sign_in(code=code).status_code == 422
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_a_recovery_code_is_used_once_however_it_is_typed(app, clock, asel):
    code = asel.recovery[0].upper().replace("-", " ")
    assert asel.sign_in(code=code).status_code == 303
    assert asel.sign_in(code=code).status_code == 422
    assert asel.sign_in(code=asel.recovery[1]).status_code == 303


@on_sqlite
def test_a_code_of_a_clock_that_is_a_little_off_is_taken(app, clock, asel):
    asel.clock.advance(minutes=5)
    code = asel.code()
    clock.advance(seconds=15)
    assert asel.sign_in(code=code).status_code == 303
    code = asel.code()
    clock.advance(seconds=90)
    assert asel.sign_in(code=code).status_code == 422


@on_sqlite
def test_tries_without_the_password_lock_nobody_out(app, clock, asel):
    stranger = Desk(app, clock)
    for number in range(25):
        stranger.fill(SIGN_IN, email=ASEL, password="wrong password", code=f"{number:06}")
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_wrong_codes_with_the_right_password_end_after_five_in_an_hour(app, clock, asel):
    for number in range(5):
        asel.fill(SIGN_IN, email=ASEL, password=PASSWORD, code=f"{number:06}")
    assert asel.sign_in().status_code == 422
    assert log().count(Deed.CODES_TRIED) == 5
    clock.advance(minutes=20)
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_one_client_tries_so_many_passwords_and_others_go_on(app, clock, asel):
    stranger = Visitor(app, clock)
    stranger.client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    statuses = [
        stranger.fill(SIGN_IN, email=ASEL, password="wrong password", code="1").status_code
        for _ in range(authentication.SIGN_IN_TRIES_AN_HOUR + 12)
    ]
    assert (
        statuses[: authentication.SIGN_IN_TRIES_AN_HOUR]
        == [422] * authentication.SIGN_IN_TRIES_AN_HOUR
    )
    assert 429 in statuses
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_a_known_browser_has_its_own_tries_among_identical_clients(app, clock, asel):
    stranger, client = Desk(app, clock), "203.0.113.9"
    stranger.key = asel.key
    for somebody in (asel, stranger):
        somebody.client.environ_base["REMOTE_ADDR"] = client
    assert asel.sign_in().status_code == 303
    asel.fill(HOME, "/sign-out")
    known = asel.client.get_cookie("organizer-device").value
    for wrong in ("", "x" + known, known[:-1]):
        use_up(client)
        stranger.client.set_cookie("organizer-device", wrong)
        # One try may have come back meanwhile.
        tries = [stranger.sign_in(password="wrong password").status_code for _ in range(2)]
        assert 429 in tries
    assert asel.sign_in().status_code == 303


def use_up(client: str) -> None:
    """Use up the tries of a client."""
    with writing() as tx:
        for _ in range(authentication.SIGN_IN_TRIES_AN_HOUR + 1):
            try:
                authentication.take_try(tx, client, "")
            except TooManyForms:
                return


@on_sqlite
def test_it_ends_when_it_is_idle_and_when_the_day_is_over(app, clock, asel):
    asel.sign_in()
    for _ in range(12):
        clock.advance(minutes=59)
        assert asel.get(HOME).status_code == 200
    clock.advance(minutes=20)
    assert asel.get(HOME).status_code == 303, "twelve hours are over"
    asel.sign_in()
    clock.advance(minutes=60)
    assert asel.get(HOME).status_code == 303, "idle"


@on_sqlite
def test_a_stolen_cookie_is_worth_nothing_after_signing_out(app, clock, asel):
    asel.sign_in()
    thief = Visitor(app, clock)
    stolen = asel.client.get_cookie("organizer").value
    thief.client.set_cookie("organizer", stolen)
    assert thief.get(HOME).status_code == 200
    asel.fill(HOME, "/sign-out")
    assert thief.get(HOME).status_code == 303


def test_signing_out_everywhere_ends_every_browser(app, clock, asel):
    other = Desk(app, clock)
    other.key = asel.key
    for desk_ in (asel, other):
        assert desk_.sign_in().status_code == 303
    asel.fill(HOME, "/sign-out-everywhere")
    assert other.get(HOME).status_code == 303
    with reading() as tx:
        assert tx.query(SignIn).count() == 0


@on_sqlite
@pytest.mark.parametrize("act", ["remove", "reset"])
def test_a_removed_or_reset_organizer_is_signed_out_at_once(app, clock, asel, act):
    asel.sign_in()
    with writing() as tx:
        getattr(accounts, act)(tx, addresses.parse(ASEL))
    assert asel.get(HOME).status_code == 303
    assert asel.sign_in().status_code == 422


@on_sqlite
def test_an_invitation_works_once_and_for_three_days(app, clock):
    asel, token = Desk(app, clock), invite()
    assert asel.accept(token).status_code == 200
    assert asel.get(f"/organizer/invitation/{token}").status_code == 404
    late = invite("late@example.org")
    clock.advance(hours=72)
    assert asel.get(f"/organizer/invitation/{late}").status_code == 404
    assert asel.get("/organizer/invitation/never").status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "short", "again": "short"}, "A password has 12 to 128 characters"),
        ({"password": "x" * 129, "again": "x" * 129}, "at most 128 fit"),
        ({"again": "gravel lantern ottar"}, "This is not the password above."),
        ({"password": "Password1234!", "again": "Password1234!"}, "Others guess this"),
        ({"password": "abababababab", "again": "abababababab"}, "Others guess this"),
        ({"password": "asel@example.org 7", "again": "asel@example.org 7"}, "your address"),
        ({"code": "000000"}, "This is not the code that the app shows now."),
    ],
)
def test_an_invitation_refuses_in_words_and_can_be_tried_again(app, clock, fields, said):
    asel, token = Desk(app, clock), invite()
    page = asel.accept(token, **fields)
    assert page.status_code == 422
    assert said in text_of(page.text)
    assert asel.accept(token).status_code == 200


@on_sqlite
def test_nothing_secret_stands_in_the_clear(app, clock, asel):
    asel.sign_in()
    with reading() as tx:
        rows = [
            repr(tx.execute(text(f"SELECT * FROM {table}")).all())
            for table in ("organizers", "sign_ins", "audit_entries")
        ]
    secret = [ASEL, PASSWORD, asel.key.hex(), *asel.recovery]
    secret.append(asel.client.get_cookie("organizer").value)
    assert [word for word in secret if word in "".join(rows)] == []


@on_sqlite
@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/organizer/../..//evil.example",
        "/%5cevil.example",
        "/organizer/\t/evil.example",
        "/organizer//evil.example",
        "javascript:alert(1)",
        "/discussions/water",
    ],
)
def test_next_leads_nowhere_else(app, clock, asel, wanted):
    assert asel.sign_in(next=wanted).location == HOME


@on_sqlite
def test_next_leads_back_to_the_requested_page(app, clock, asel):
    answer = asel.get("/organizer/?page=2")
    assert answer.status_code == 303
    assert asel.sign_in(answer.location).location == "/organizer/?page=2"


@on_sqlite
def test_a_clock_that_was_ahead_locks_nobody_out(app, clock, asel):
    clock.advance(days=3)
    asel.sign_in()
    clock.advance(days=-3)
    assert asel.get(HOME).status_code == 303
    assert asel.sign_in().status_code == 303


@pytest.mark.parametrize("act", ["UPDATE audit_entries SET at = at", "DELETE FROM audit_entries"])
def test_the_audit_log_is_only_added_to(app, clock, asel, act):
    before = log()
    with pytest.raises(Exception, match="never changed"), writing() as tx:
        tx.execute(text(act))
    assert log() == before


@on_sqlite
def test_a_partner_and_an_organizer_see_their_discussions_and_a_partner_no_numbers(app, clock):
    from ... import builders

    builders.publish(builders.with_questions())
    builders.publish_first()
    sees = {}
    for role, given in (
        (desk.Role.ADMINISTRATOR, ()),
        (desk.Role.ORGANIZER, ("water",)),
        (desk.Role.PARTNER, ("water",)),
    ):
        partner = "PaperLab" if role is desk.Role.PARTNER else None
        somebody = signed_in(app, clock, f"{role}@example.org", role, *given, partner=partner)
        page = text_of(somebody.get(HOME).text)
        sees[role.value] = ("Who owns the water?" in page, "Bloody" in page, "Letters sent" in page)
    assert sees == {
        "administrator": (True, True, True),
        "organizer": (True, False, True),
        "partner": (True, False, False),
    }


NEW = "anchor velvet thistle"


def test_a_changed_password_ends_every_session_and_alone_signs_in(app, clock):
    asel = signed_in(app, clock)
    other = Desk(app, clock)
    other.key = asel.key
    other.sign_in()
    changed = asel.fill(
        "/organizer/password", password=PASSWORD, code=asel.code(), new=NEW, again=NEW
    )
    assert changed.status_code == 303
    for browser in (asel, other):
        assert browser.get("/organizer/").status_code == 303
    assert asel.sign_in().status_code == 422
    assert asel.sign_in(password=NEW).status_code == 303
    assert "password changed" in asel.get("/organizer/log").text


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": "wrong password"}, "Password or code is wrong"),
        ({"code": "000000"}, "Password or code is wrong"),
        ({"again": PASSWORD}, "This is not the password above."),
        ({"new": "short", "again": "short"}, "this one has 5"),
        ({"csrf_token": "x"}, "press the button once more"),
    ],
)
def test_a_password_is_changed_only_with_proof_of_identity(app, clock, fields, said):
    asel = signed_in(app, clock)
    typed = {"password": PASSWORD, "code": asel.code(), "new": NEW, "again": NEW} | fields
    page = asel.fill("/organizer/password", **typed)
    assert page.status_code == 422
    assert said in text_of(page.text)
    assert NEW not in page.text
    assert asel.get("/organizer/").status_code == 200


@on_sqlite
def test_a_flood_does_not_keep_a_new_organizer_out(app, clock):
    asel, stranger = Desk(app, clock), Desk(app, clock)
    asel.accept(invite())
    with writing() as tx:
        for _ in range(authentication.SHARED_SIGN_IN_TRIES_AN_HOUR):
            authentication.take_try(tx, "", "")
    assert stranger.fill(SIGN_IN, email=ASEL, password="x", code="1").status_code == 429
    assert asel.sign_in().status_code == 303
