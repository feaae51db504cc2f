"""The page of an invitation: other readers learn nothing, and the organizer is told of them."""

import pytest

from registration.database import reading, writing
from registration.models import Organizer
from registration.services.operations import key_rotation
from registration.services.organizers import accounts, invitations, passwords, totp
from registration.services.organizers.invitations import PAGE_LIFE, InvitationOver, PageOver
from registration.text import addresses

from ... import builders
from ...desk import ASEL, PASSWORD, Desk, invite, key_on
from ...machine import on_sqlite
from ...visitor import form_of, text_of

OVER = "The key of that page is no longer valid."


@pytest.fixture
def token(app) -> str:
    return invite()


@pytest.fixture
def asel(app, clock) -> Desk:
    return Desk(app, clock)


def path_of(token: str) -> str:
    return f"/organizer/invitation/{token}"


def openings() -> int:
    with reading() as tx:
        return tx.query(Organizer).one().invitation_openings


def send(desk: Desk, opened: str, token: str, **fields: str):
    """Send the form of a page, with the code of the key that it shows."""
    code = totp.code_at(key_on(opened), desk.clock.now)
    typed = {"password": PASSWORD, "again": PASSWORD, "code": code} | fields
    return desk.client.post(path_of(token), data=form_of(opened)[1] | typed)


@on_sqlite
def test_each_opening_shows_another_key(app, asel, token):
    keys = {key_on(asel.get(path_of(token)).text) for _ in range(5)}
    assert len(keys) == 5
    assert {len(key) for key in keys} == {20}


def test_an_earlier_reader_of_the_page_knows_no_code_afterwards(app, clock, asel, token):
    scanner = Desk(app, clock)
    seen = scanner.get(path_of(token)).text
    assert asel.accept(token).status_code == 200
    clock.advance(seconds=30)
    scanner.key = key_on(seen)
    assert scanner.sign_in().status_code == 422
    assert asel.sign_in().status_code == 303


@on_sqlite
def test_nothing_made_from_an_invitation_outlives_its_acceptance(app, clock, asel, token):
    scanner = Desk(app, clock)
    seen = scanner.get(path_of(token)).text
    asel.accept(token)
    assert send(scanner, seen, token).status_code == 404
    assert scanner.get(path_of(token)).status_code == 404
    with writing() as tx:
        anew = accounts.reset(tx, addresses.parse(ASEL))
    assert send(scanner, seen, token).status_code == 404
    page = send(scanner, seen, anew)
    assert (page.status_code, OVER in text_of(page.text)) == (422, True)


@on_sqlite
def test_a_form_with_mistakes_comes_back_with_the_same_key(app, asel, token):
    page = asel.get(path_of(token)).text
    key = key_on(page)
    for fields in ({"password": "short"}, {"code": "000000"}, {"csrf_token": "x"}, {"again": ""}):
        answer = send(asel, page, token, **fields)
        assert (answer.status_code, key_on(answer.text)) == (422, key)
        assert OVER not in text_of(answer.text)
        page = answer.text
    assert send(asel, page, token).status_code == 200
    assert openings() == 1


def sealed_for(token: str) -> str:
    with writing() as tx:
        return invitations.seal(tx, token, invitations.open_page(tx, token))


@on_sqlite
@pytest.mark.parametrize("kind", ["none", "forged", "foreign", "damaged", "too old"])
def test_a_key_that_was_not_made_for_this_page_is_replaced_with_one_sentence(
    app, clock, asel, token, kind
):
    if kind == "too old":
        with writing() as tx:
            tx.query(Organizer).update({"invited_until": clock.now + 2 * PAGE_LIFE})
    page = asel.get(path_of(token)).text
    right = form_of(page)[1]["page"]
    wrong = {
        "none": "",
        "forged": "gAAAA\u0661" * 40,
        "foreign": sealed_for(invite("other@example.org")),
        "damaged": right[:-4],
        "too old": right,
    }[kind]
    if kind == "too old":
        clock.advance(hours=25)
    answer = send(asel, page, token, page=wrong)
    assert answer.status_code == 422
    assert text_of(answer.text).count(OVER) == 1
    assert key_on(answer.text) != key_on(page)
    # The code of the other key is taken out: it would be wrong.
    assert form_of(answer.text)[1]["code"] == ""
    assert send(asel, answer.text, token).status_code == 200


@on_sqlite
def test_a_key_that_was_sealed_before_a_rotation_is_replaced(app, clock, asel, token):
    page = asel.get(path_of(token)).text
    settings = app.extensions["settings"]
    with writing() as tx:
        key_rotation.rotate(tx, settings.keys, settings.credentials)
    answer = send(asel, page, token)
    assert (answer.status_code, OVER in text_of(answer.text)) == (422, True)
    # The browser's cookie was signed with the old key, too: the button is pressed once more.
    again = send(asel, answer.text, token)
    assert key_on(again.text) == key_on(answer.text)
    assert send(asel, again.text, token).status_code == 200


@on_sqlite
def test_the_page_says_how_often_and_when_the_link_was_opened_before(app, clock, asel, token):
    assert "opened" not in text_of(asel.get(path_of(token)).text).replace("open the link", "")
    clock.advance(hours=1)
    once = text_of(asel.get(path_of(token)).text)
    assert "This link was opened once before, on 2 March 2026, 12:00 UTC." in once
    assert "If that wasn't you, ask for a new link." in once
    page = asel.get(path_of(token)).text
    twice = "This link was opened 2 times before, last on 2 March 2026, 13:00 UTC."
    assert twice in text_of(page)
    clock.advance(hours=1)
    assert twice in text_of(send(asel, page, token, password="short").text)


@on_sqlite
def test_a_new_link_was_never_opened(app, clock, asel, token):
    asel.accept(token)
    with writing() as tx:
        anew = accounts.reset(tx, addresses.parse(ASEL))
    assert "before" not in text_of(asel.get(path_of(anew)).text)


@on_sqlite
def test_opening_the_page_changes_nothing_but_its_count(app, asel, token):
    before = builders.every_row()
    asel.get(path_of(token))
    after = builders.every_row()
    assert before.pop("organizers") != after.pop("organizers")
    assert before == after
    with writing() as tx:
        organizer = tx.query(Organizer).one()
        assert organizer.invitation_openings == 1
        organizer.invitation_openings, organizer.invitation_opened_at = 0, None
    assert openings() == 0


@on_sqlite
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("HEAD", {}, 200),
        ("GET", {"Sec-Purpose": "prefetch"}, 503),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}, 503),
        ("GET", {"Purpose": "prefetch"}, 503),
    ],
)
def test_a_request_that_nobody_looks_at_gets_no_key_and_is_not_counted(
    app, asel, token, method, headers, status
):
    before = builders.every_row()
    answer = asel.client.open(path_of(token), method=method, headers=headers)
    assert answer.status_code == status
    assert "<code>" not in answer.text
    assert builders.every_row() == before


def test_every_one_of_many_openings_at_once_is_counted(app, token):
    def open_page() -> tuple[str, int]:
        with writing() as tx:
            page = invitations.open_page(tx, token)
            return page.key, page.openings

    made = builders.at_once(app, [open_page] * 12)
    assert len({key for key, _before in made}) == 12
    assert sorted(before for _key, before in made) == list(range(12))
    assert openings() == 12


def test_of_two_acceptances_at_once_one_counts(app, clock, token):
    with writing() as tx:
        pages = [invitations.open_page(tx, token) for _ in range(2)]
    hashed = passwords.hash_password(PASSWORD, app.config["PASSWORD_COST"])

    def accept(page: invitations.Page) -> bool:
        code = totp.code_at(bytes.fromhex(page.key), clock.now)
        try:
            with writing() as tx:
                invitations.accept(tx, token, page, hashed, code)
        except InvitationOver:
            return False
        return True

    took = builders.at_once(app, [lambda page=page: accept(page) for page in pages])
    assert sorted(took) == [False, True]
    with reading() as tx:
        factor = tx.query(Organizer).one().identity(tx.keys).second_factor
    assert factor == pages[took.index(True)].key


@on_sqlite
def test_a_sealed_page_opens_for_its_invitation_alone(app, token):
    other = invite("other@example.org")
    sealed = sealed_for(token)
    with reading() as tx:
        assert invitations.unseal(tx, token, sealed).openings == 0
        with pytest.raises(PageOver):
            invitations.unseal(tx, other, sealed)
