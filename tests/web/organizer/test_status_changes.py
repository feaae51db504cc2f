"""Cancelling a discussion, letting it take place, taking it off: each a page with one button."""

import pytest
from sqlalchemy import select

from registration.database import reading, writing
from registration.database.fair_lock import FairLock
from registration.models import AuditEntry
from registration.services import catalog

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite
from ...visitor import form_of, text_of

WATER = "/organizer/discussions/water"


def deeds() -> list[tuple]:
    """Return what the audit log says of discussions."""
    with reading() as tx:
        found = select(AuditEntry).where(AuditEntry.slug.is_not(None)).order_by(AuditEntry.id)
        return [(it.deed.value, it.slug, it.count) for it in tx.scalars(found)]


def stands() -> tuple[bool, bool]:
    """Return whether the small discussion is public, and cancelled."""
    with reading() as tx:
        found = catalog.find(tx, "water")
    return found.is_public, found.is_cancelled


@pytest.fixture
def asel(app, clock):
    """Somebody signed in, and somebody who comes and has got the confirmation."""
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()
    return signed_in(app, clock)


def test_each_page_says_how_many_are_told_and_does_it_once(asel, visitor):
    letters = builders.letter_kinds()
    page = asel.get(f"{WATER}/cancel")
    assert "1 letter will be owed to attendees." in text_of(page.text)
    assert (stands(), builders.letter_kinds()) == ((True, False), letters)
    typed = form_of(page.text)[1] | {"why": " The  speaker is ill. "}
    for _ in range(2):
        assert asel.client.post(f"{WATER}/cancel", data=typed).location == WATER
    assert stands() == (True, True)
    assert "The speaker is ill." in visitor.get("/discussions/water").text
    assert builders.letter_kinds() == [*letters, "change"]
    assert "“The speaker is ill.”" in text_of(asel.get(f"{WATER}/cancel").text)
    builders.deliver()
    asel.clock.advance(minutes=10)
    builders.deliver()
    assert "1 letter will be owed" in text_of(asel.get(f"{WATER}/restore").text)
    assert asel.fill(f"{WATER}/restore").location == WATER
    assert stands() == (True, False)
    asel.clock.advance(minutes=10)
    builders.deliver()
    assert asel.fill(f"{WATER}/take-off").location == WATER
    assert (stands(), visitor.get("/discussions/water").status_code) == ((False, False), 410)
    assert asel.fill(f"{WATER}/take-off").location == WATER
    assert "Publish it again" in asel.get(WATER).text
    assert asel.fill(f"{WATER}/publish-again").location == WATER
    assert (stands(), visitor.get("/discussions/water").status_code) == ((True, False), 200)
    assert deeds() == [
        ("discussion.cancelled", "water", 1),
        ("discussion.restored", "water", 1),
        ("discussion.taken_off", "water", 0),
        ("discussion.published", "water", 0),
    ]


@on_sqlite
def test_an_impossible_change_of_status_is_refused_and_changes_nothing(asel, clock):
    before = builders.every_row()
    assert "water is not cancelled." in text_of(asel.get(f"{WATER}/restore").text)
    token = form_of(asel.get(f"{WATER}/cancel").text)[1]
    assert asel.client.post(f"{WATER}/restore", data=token).status_code == 409
    for why, said in (("", "Say why"), ("a" * 501, "at most 500 fit"), ("a\0b", "U+0000")):
        answer = asel.client.post(f"{WATER}/cancel", data=token | {"why": why})
        assert answer.status_code == 422
        assert said in text_of(answer.text)
    old = {"csrf_token": "old", "why": "Kept."}
    for act in ("cancel", "restore", "take-off", "publish-again"):
        stale = asel.client.post(f"{WATER}/{act}", data=old)
        assert stale.status_code == 422
    assert form_of(asel.client.post(f"{WATER}/cancel", data=old).text)[1]["why"] == "Kept."
    assert builders.every_row() == before


@on_sqlite
def test_a_stale_page_undoes_no_later_change(asel, clock, app):
    erlan = signed_in(app, clock, "erlan@example.org")
    hers, his = (form_of(it.get(f"{WATER}/cancel").text)[1] for it in (asel, erlan))
    assert asel.client.post(f"{WATER}/cancel", data=hers | {"why": "First."}).status_code == 303
    late = erlan.client.post(f"{WATER}/cancel", data=his | {"why": "Second."})
    assert late.status_code == 409
    assert "It is cancelled already: “First.”" in text_of(late.text)
    again = form_of(late.text)[1]
    assert again["why"] == "Second."
    restore = form_of(asel.get(f"{WATER}/restore").text)[1]
    assert erlan.client.post(f"{WATER}/cancel", data=again).status_code == 303
    refused = asel.client.post(f"{WATER}/restore", data=restore)
    assert (refused.status_code, stands()) == (409, (True, True))
    assert "It is cancelled: “Second.”" in text_of(refused.text)
    assert asel.client.post(f"{WATER}/restore", data=form_of(refused.text)[1]).status_code == 303
    assert stands() == (True, False)


@on_sqlite
def test_a_reason_sent_after_the_session_ended_is_kept(asel, clock, visitor):
    asel.sign_in()
    typed = form_of(asel.get(f"{WATER}/cancel").text)[1] | {"why": "A strike at the studio."}
    clock.advance(hours=2)
    kept = asel.client.post(f"{WATER}/cancel", data=typed)
    assert (kept.status_code, stands()) == (422, (True, False))
    assert "Who owns the water?" not in kept.text
    action, held = form_of(kept.text)
    assert (action, held["why"]) == (f"{WATER}/cancel", "A strike at the studio.")
    asel.sign_in()
    again = form_of(asel.client.post(action, data=held).text)[1]
    assert again["why"] == "A strike at the studio."
    assert asel.client.post(action, data=again).status_code == 303
    assert "A strike at the studio." in visitor.get("/discussions/water").text


@on_sqlite
def test_the_letters_are_counted_while_another_writes(asel):
    with writing():
        for act in ("cancel", "take-off", "publish-again"):
            assert asel.get(f"{WATER}/{act}").status_code == 200
        assert "1 letter will be owed" in text_of(asel.get(f"{WATER}/cancel").text)


@on_sqlite
def test_the_reason_is_kept_where_the_database_is_busy(app, asel):
    typed = form_of(asel.get(f"{WATER}/cancel").text)[1] | {"why": "Kept."}
    app.extensions["writers"] = FairLock(0.05)
    with writing():
        busy = asel.client.post(f"{WATER}/cancel", data=typed)
    assert (busy.status_code, form_of(busy.text)[1]["why"]) == (503, "Kept.")
    assert "send it again in a minute" in text_of(busy.text)
    assert asel.client.post(f"{WATER}/cancel", data=form_of(busy.text)[1]).status_code == 303
