"""Writing to attendees in the browser: drafted, reviewed, tried out, sent and stopped, with any
text and by any role."""

import re
from typing import Any

import pytest
from sqlalchemy import delete

from registration.database import reading, writing
from registration.mail import smtp_answers
from registration.models import (
    AuditEntry,
    Deed,
    Grant,
    Group,
    Letter,
    LetterKind,
    LetterState,
    Mailing,
    Registration,
    Role,
)
from registration.services import catalog
from registration.services.discussions import publication
from registration.services.erasure import erasures
from registration.services.mailings import mailings
from registration.worker import letter_content

from ... import builders
from ...desk import ASEL, signed_in
from ...machine import on_sqlite
from ...visitor import form_of, text_of, tree_of

MAILINGS = "/organizer/discussions/water/mailings"
NEW = f"{MAILINGS}/new"
TYPED = {
    "groups": ["confirmed"],
    "subject": "News for {{ name }}",
    "text": "Dear {{ name }},\n\nread.",
}
JOIN = 'join_url = "https://meet.example.org/room"\n'


@pytest.fixture
def asel(app, clock):
    """An administrator; three attendees, one of whom is called by a placeholder."""
    builders.publish(builders.file(f"address_confirmation = false\n{JOIN}seats = 3"))
    for name in ("dina", "{{ join_link }}", "<b>erlan</b>", "waits"):
        builders.register(address=f"{re.sub('[^a-z]', '', name)}@example.org", name=name)
    with writing() as tx:
        tx.query(Registration).update({"address_proved_at": Registration.confirmed_at})
    builders.deliver()
    return signed_in(app, clock)


def drafted(asel, **fields: Any) -> str:
    """Keep a draft, and return the path of its page."""
    answer = asel.fill(NEW, **(TYPED | fields))
    assert answer.status_code == 303, text_of(answer.text)
    return answer.location


def sent(app, subject: str) -> list:
    builders.deliver()
    return [it for it in builders.kept_letters(app) if subject in it["Subject"]]


def count_mailing_letters() -> int:
    with reading() as tx:
        return tx.query(Letter).filter_by(kind=LetterKind.MAILING).count()


def test_from_draft_to_delivered_letter(app, clock, visitor, asel):
    page = drafted(asel)
    shown = text_of(asel.get(page).text)
    assert "News for dina" in shown
    assert "Send to 3 people" in shown
    (link,) = [it for it in tree_of(asel.get(page).text).iter("a") if it.text == "See the next one"]
    second = asel.get(link.get("href"))
    assert "News for {{ join_link }}" in text_of(second.text)
    (frame,) = tree_of(second.text).iter("iframe")
    framed = asel.get(frame.get("src"))
    assert "Dear {{ join_link }}," in framed.text
    assert "sandbox allow-popups" in framed.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in framed.headers["Content-Security-Policy"]
    asked = asel.get(f"{page}/send")
    assert "Send it to 3 people now" in text_of(asked.text)
    assert count_mailing_letters() == 0
    form = form_of(asked.text)[1]
    for _click in range(2):
        assert asel.client.post(f"{page}/send", data=form).location == page
    letters = sent(app, "News")
    assert [it["Subject"] for it in letters] == [
        "News for dina",
        "News for {{ join_link }}",
        "News for <b>erlan</b>",
    ]
    (third,) = [it for it in letters if it["To"] == "berlanb@example.org"]
    assert "Dear &lt;b&gt;erlan&lt;/b&gt;," in third.get_body(("html",)).get_content()
    assert "Letters 3 Sent 3 Owed 0 Failed 0 Dropped 0" in spaced(asel.get(page).text)
    assert "News for {{ name }}" in text_of(asel.get(MAILINGS).text)
    with reading() as tx:
        deeds = [it.deed for it in tx.query(AuditEntry).order_by(AuditEntry.id) if it.slug]
    assert deeds == [Deed.DRAFTED, Deed.QUEUED]


def spaced(page: str) -> str:
    return text_of(page.replace("</dt>", " </dt>").replace("</dd>", " </dd>"))


@on_sqlite
def test_the_preview_shows_no_personal_link_and_no_get_changes_anything(asel):
    page = drafted(asel)
    before = builders.every_row()
    for path in (page, f"{page}?n=2", f"{page}?n=x", f"{page}/html", f"{page}/send", MAILINGS):
        answer = asel.get(path)
        assert answer.status_code == 200
        for name in ("dina", "berlanb", "joinlink"):
            assert builders.attendee(f"{name}@example.org").token not in answer.text
    asel.get(f"{page}/edit")
    after = builders.every_row()
    for rows in (before, after):
        del rows["sign_ins"]
    assert after == before


@on_sqlite
def test_a_test_letter_goes_to_its_organizer_and_names_nobody(app, asel):
    page = drafted(asel, text="{{ name }} {{ join_link }}")
    assert asel.fill(page, "/test").status_code == 303
    (letter,) = sent(app, "Test: ")
    assert letter["To"] == ASEL
    assert letter["List-Unsubscribe"] is None
    whole = bytes(letter).decode()
    assert "Alex Example" in whole
    for name in ("dina", "berlanb", "joinlink"):
        person = builders.attendee(f"{name}@example.org")
        for word in (person.name, person.address, person.token, person.public_id):
            assert word not in whole
    assert "Send to 3 people" in text_of(asel.get(page).text)
    with reading() as tx:
        assert tx.query(AuditEntry).filter_by(deed=Deed.TESTED).count() == 1


MISTAKES = [
    ({"csrf_token": "of a page that was open for long"}, "so nothing was sent."),
    ({"groups": []}, "Choose at least one."),
    ({"groups": ["everybody"]}, "Choose one of the answers that are offered."),
    ({"groups": ["absent"]}, "Choose one of the answers that are offered."),
    ({"subject": ""}, "Write a subject."),
    ({"subject": "{{ join_link }}"}, "There is no {{ join_link }} here; there are {{ name }},"),
    ({"subject": "a\r\nBcc: eve@example.org"}, "a character that cannot be shown (U+000D)"),
    ({"subject": "x" * 201}, "This has 201 characters; at most 200 fit."),
    ({"text": " \n\u200b"}, "Write what the letter says."),
    ({"text": "{{7*7}}"}, "There is no {{7*7}} here; there are {{ name }}, {{ title }},"),
    ({"text": "{{ name.__class__ }}"}, "There is no {{ name.__class__ }} here"),
    ({"text": "x" * 10_001}, "This has 10001 characters; at most 10000 fit."),
    (
        {"text": "{{ join_link }}", "groups": ["confirmed", "waiting"]},
        "Who waits has no seat, and gets no link to join",
    ),
]


@on_sqlite
def test_a_mistake_is_told_and_the_text_is_kept(asel):
    for fields, said in MISTAKES:
        typed = TYPED | {"text": "Kept <b>as</b> it is"} | dict(fields)
        page = asel.fill(NEW, **typed)
        assert page.status_code == 422
        assert said in text_of(page.text)
        held = form_of(page.text)[1]
        if typed["text"].strip("\u200b \n"):
            assert held["text"].replace("\r", "") == typed["text"]
        chosen = [
            it.get("value")
            for it in tree_of(page.text).iter("input")
            if it.get("name") == "groups" and it.get("checked") is not None
        ]
        assert chosen == [it for it in typed["groups"] if it in {"confirmed", "waiting"}]
    with reading() as tx:
        assert tx.query(Mailing).count() == 0


@on_sqlite
def test_two_at_once_lose_nothing_and_send_nothing_that_was_not_seen(app, asel):
    page = drafted(asel)
    old_edit, old_send = (
        form_of(asel.get(f"{page}/edit").text)[1],
        form_of(asel.get(f"{page}/send").text)[1],
    )
    assert asel.fill(f"{page}/edit", text="Newer").status_code == 303
    refused = asel.client.post(f"{page}/send", data=old_send)
    assert refused.status_code == 409
    assert "nothing was sent" in text_of(refused.text)
    assert "Newer" in text_of(refused.text)
    assert count_mailing_letters() == 0
    mine = asel.client.post(f"{page}/edit", data=old_edit | {"text": "Mine"})
    assert mine.status_code == 409
    assert "Newer" in text_of(mine.text)
    target, form = form_of(mine.text)
    assert form["text"].strip() == "Mine"
    assert asel.client.post(target, data=form).status_code == 303
    assert "Mine" in text_of(asel.get(page).text)
    asel.fill(f"{page}/send")
    late = asel.client.post(f"{page}/edit", data=old_edit | {"text": "Too late"})
    assert late.status_code == 409
    target, form = form_of(late.text)
    assert (target, form["text"].strip()) == (NEW, "Too late")
    assert {it.get_body(("plain",)).get_content().split()[0] for it in sent(app, "News")} == {
        "Mine"
    }


@on_sqlite
def test_it_can_be_stopped_and_a_draft_discarded(app, asel):
    page = drafted(asel)
    asel.fill(f"{page}/send")
    assert asel.fill(page, "/stop").status_code == 303
    assert "Owed 0 Failed 0 Dropped 3" in spaced(asel.get(page).text)
    assert sent(app, "News") == []
    other = drafted(asel)
    assert asel.fill(other, "/discard").location == MAILINGS
    assert asel.get(other).status_code == 404
    assert asel.get(page).status_code == 200


@on_sqlite
def test_nobody_in_the_group_means_nothing_to_send(asel):
    page = drafted(asel, groups=["attended"])
    assert "Nobody would get it at present" in text_of(asel.get(page).text)
    assert "Alex Example" in text_of(asel.get(page).text)
    assert "there is nothing to send" in text_of(asel.get(f"{page}/send").text)
    form = form_of(asel.get(f"{drafted(asel)}/send").text)[1]
    assert asel.client.post(f"{page}/send", data=form).status_code == 409
    assert count_mailing_letters() == 0


@on_sqlite
def test_for_everybody_else_it_is_the_same_404_as_nothing(app, clock, asel):
    builders.publish_first()
    builders.publish(builders.with_questions('slug = "rivers"'))
    page = drafted(asel)
    elsewhere = page.replace("/water/", "/rivers/")
    other = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "rivers")
    partner = signed_in(app, clock, "lab@example.org", Role.PARTNER, "rivers", partner="PaperLab")
    missing = other.get("/organizer/discussions/never/mailings")
    assert missing.status_code == 404
    token, own = (
        {"csrf_token": form_of(it.get("/organizer/").text)[1]["csrf_token"]}
        for it in (other, partner)
    )
    before = builders.every_row()
    for path in (MAILINGS, NEW, page, f"{page}/html", f"{page}/edit", f"{page}/send", elsewhere):
        assert other.get(path).data == missing.data
        assert partner.get(path.replace("/water/", "/rivers/")).data == missing.data
    for act in ("send", "stop", "discard", "test"):
        for path in (f"{page}/{act}", f"{elsewhere}/{act}"):
            assert other.client.post(path, data=token | {"version": "1"}).data == missing.data
        theirs = f"/organizer/discussions/rivers/mailings/0/{act}"
        assert partner.client.post(theirs, data=own | {"version": "1"}).data == missing.data
    assert partner.client.post(NEW.replace("water", "rivers"), data=own | TYPED).status_code == 404
    after = builders.every_row()
    for rows in (before, after):
        del rows["sign_ins"]
    assert after == before
    assert other.get("/organizer/discussions/rivers/mailings").status_code == 200


@on_sqlite
def test_a_form_sent_after_the_session_ended_is_kept(clock, asel, visitor):
    asel.sign_in()
    for path in (NEW, f"{drafted(asel)}/edit"):
        typed = form_of(asel.get(path).text)[1] | TYPED | {"text": "Two hours of work"}
        clock.advance(hours=2)
        kept = asel.client.post(path, data=typed)
        assert kept.status_code == 422
        assert "Who owns the water?" not in kept.text
        assert "(3)" not in kept.text
        assert visitor.client.post(path, data=typed).status_code == 303
        action, held = form_of(kept.text)
        assert (action, held["text"]) == (path, "Two hours of work")
        asel.sign_in()
        again = form_of(asel.client.post(action, data=held).text)[1]
        assert asel.client.post(path, data=again).status_code == 303
    with reading() as tx:
        found = [it.wording(builders.ring()).text for it in tx.query(Mailing)]
    assert found == ["Two hours of work"] * 2


@on_sqlite
def test_a_draft_is_discarded_only_after_its_last_version_was_seen(app, clock, asel):
    page = drafted(asel)
    erlan = signed_in(app, clock, "erlan@example.org")
    seen = form_of(erlan.get(page).text, "/discard")[1]
    asel.fill(f"{page}/edit", text="Two hours of work")
    refused = erlan.client.post(f"{page}/discard", data=seen)
    assert refused.status_code == 409
    assert "Two hours of work" in text_of(refused.text)
    assert asel.get(page).status_code == 200
    seen = form_of(refused.text, "/discard")[1]
    assert erlan.client.post(f"{page}/discard", data=seen).location == MAILINGS
    assert asel.get(page).status_code == 404


@on_sqlite
def test_a_discarded_draft_gives_text_back_only_to_those_who_opened_it(app, clock, asel):
    page = drafted(asel)
    opened = form_of(asel.get(f"{page}/edit").text)[1] | {"text": "Two hours of work"}
    asel.fill(page, "/discard")
    for typed in (opened, opened | {"subject": ""}):
        kept = asel.client.post(f"{page}/edit", data=typed)
        assert kept.status_code == (409 if typed["subject"] else 422)
        target, form = form_of(kept.text)
        assert (target, form["text"].strip()) == (NEW, "Two hours of work")
    missing = asel.get("/organizer/never").data
    elsewhere = form_of(asel.get(f"{drafted(asel)}/edit").text)[1]["opened"]
    for mark in ("", "ä", "0" * 64, elsewhere):
        for subject in ("News", ""):
            typed = opened | {"opened": mark, "subject": subject}
            assert asel.client.post(f"{page}/edit", data=typed).data == missing


@on_sqlite
def test_an_erased_mailing_keeps_no_later_letter_back(app, asel):
    with writing() as tx:
        discussion = catalog.find(tx, "water")
        for number in range(2):
            typed = mailings.Draft(f"News {number}", "x", (Group.CONFIRMED,))
            who = {"by": 1}
            kept = mailings.save(tx, discussion, typed, **who)
            mailings.queue(tx, discussion, kept.public_id, 1, by=1)
            if number == 0:
                first = kept.id
                erasures.erase_mailing(tx, kept, letters=None)
    # SQLite gives the highest number anew.
    assert kept.id == first
    assert len(sent(app, "News 1")) == 3


@on_sqlite
def test_a_mailing_is_refused_once_its_join_link_is_gone(app, asel):
    page = drafted(asel, text="Join: {{ join_link }} now")
    form = form_of(asel.get(f"{page}/send").text)[1]
    builders.publish(builders.file("address_confirmation = false\nseats = 3"))
    said = "this discussion has no link to join any more"
    for path in (page, f"{page}/send"):
        assert said in text_of(asel.get(path).text)
    refused = asel.client.post(f"{page}/send", data=form)
    assert (refused.status_code, count_mailing_letters()) == (409, 0)
    assert said in text_of(refused.text)


@on_sqlite
def test_a_join_link_in_the_text_is_refused_for_waiting_groups(asel):
    typed = TYPED | {"groups": ["waiting"], "text": "At https://meet.example.org/room now"}
    refused = asel.fill(NEW, **typed)
    assert refused.status_code == 422
    assert "take https://meet.example.org/room out" in text_of(refused.text)


@on_sqlite
def test_the_page_warns_before_writing_about_a_cancelled_discussion(asel):
    page = drafted(asel)
    builders.cancel()
    for path in (page, f"{page}/send"):
        assert "This discussion is cancelled." in text_of(asel.get(path).text)
    with writing() as tx:
        publication.unpublish(tx, "water")
    for path in (page, f"{page}/send"):
        assert "a link to its page leads nowhere" in text_of(asel.get(path).text)


@on_sqlite
def test_no_test_letter_goes_to_an_organizer_without_the_discussion(app, clock, asel):
    other = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "water")
    assert other.fill(drafted(other), "/test").status_code == 303
    with writing() as tx:
        tx.execute(delete(Grant))
    assert sent(app, "Test: ") == []


@on_sqlite
def test_a_mailing_held_back_by_a_restore_can_be_stopped(asel):
    page = drafted(asel)
    asel.fill(f"{page}/send")
    with writing() as tx:
        tx.query(Letter).filter_by(kind=LetterKind.MAILING).update({Letter.state: LetterState.HELD})
    asel.fill(page, "/stop")
    assert "Owed 0 Failed 0 Dropped 3" in spaced(asel.get(page).text)


@on_sqlite
def test_a_sealed_subject_quoted_by_a_server_is_not_kept(asel):
    page = drafted(asel, subject="The arrest of Dina, {{ name }}")
    asel.fill(page, "/test")
    asel.fill(f"{page}/send")
    with reading() as tx:
        for letter in tx.query(Letter).filter_by(kind=LetterKind.MAILING):
            written = letter_content.compose(tx, letter)
            said = f'554 5.7.1 Spam: "{written.message["Subject"]}" =?utf-8?b?0JDRgNC10YHRgg==?='
            kept = smtp_answers.redact(said, "x@example.org", written.private)
            assert not {"arrest", "Dina", "utf-8", "0JDRgNC10YHRgg"} & set(re.split(r"\W+", kept))
            assert kept.startswith("554 5.7.1 Spam:")
