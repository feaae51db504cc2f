"""The discussion in the browser: typed, saved as a draft, looked at, published; by two at once."""

import re
from typing import Any

from sqlalchemy import select

from registration.database import reading, writing
from registration.discussion_file import read
from registration.models import AuditEntry, Discussion, Draft, Registration, Role
from registration.services import catalog
from registration.services.discussions import publication
from registration.services.discussions.publication import Outcome

from ... import builders
from ...builders import at_once, file
from ...desk import ASEL, signed_in
from ...machine import on_sqlite
from ...visitor import form_of, text_of

WATER = "/organizer/discussions/water"
EDIT, REVIEW = f"{WATER}/edit", f"{WATER}/review"
NEW = "/organizer/new"
ERLAN = "erlan@example.org"


def fields_of(desk, path: str = EDIT) -> dict:
    """Return what a browser would send of the form at `path`."""
    page = desk.get(path)
    assert page.status_code == 200, page.status_code
    return form_of(page.text)[1]


def save(desk, typed: dict, path: str = EDIT, do: str = "save", **fields: Any):
    """Send the form with what was typed."""
    return desk.client.post(path, data=typed | fields | {"do": do})


def publish(desk, do: str = "publish", slug: str = "water"):
    """Press the button below the draft."""
    return desk.fill(f"/organizer/discussions/{slug}/review", action="/publish", do=do)


def water() -> Discussion:
    with reading() as tx:
        return catalog.find(tx, "water")


def all_drafts() -> list[Draft]:
    with reading() as tx:
        return list(tx.scalars(select(Draft)))


def deeds() -> list[tuple]:
    """Return what the audit log says of discussions."""
    with reading() as tx:
        found = tx.scalars(select(AuditEntry).where(AuditEntry.slug.is_not(None)))
        return [(it.deed.value, it.slug, it.count, it.detail) for it in found]


def from_file(content: bytes, *, keep_edits: bool = False) -> Outcome:
    """Publish a file as the command line does."""
    with writing() as tx:
        return publication.publish(tx, read(content), keep_edits=keep_edits).outcome


def test_a_draft_is_seen_by_nobody_until_it_is_published(app, clock, visitor):
    builders.publish()
    asel = signed_in(app, clock)
    before = water()
    saved = save(asel, fields_of(asel), title="Whose water?", summary="a\0b")
    assert (saved.status_code, saved.location) == (303, REVIEW)
    assert "Summary holds the character U+0000" in text_of(asel.get(REVIEW).text)
    assert save(asel, fields_of(asel), summary="On rivers.").status_code == 303
    assert "Whose water?" not in visitor.get("/discussions/water").text
    seen = text_of(asel.get(REVIEW).text)
    assert "Title Who owns the water? → Whose water? Summary nothing → On rivers." in seen
    assert publish(asel).location == WATER
    assert "Whose water?" in visitor.get("/discussions/water").text
    found = water()
    assert (found.version, found.sequence, found.uid) == (2, before.sequence, before.uid)
    assert deeds() == [("discussion.changed", "water", 0, "title, summary")]
    assert all_drafts() == []


@on_sqlite
def test_a_long_text_stands_in_the_form_as_it_was_typed(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), description="On *rivers*.\n\n  - Syr Darya")
    assert fields_of(asel)["description"] == "On *rivers*.\n\n  - Syr Darya"


@on_sqlite
def test_a_new_discussion_is_built_group_by_group_without_a_script(app, clock, visitor):
    asel = signed_in(app, clock)
    typed = fields_of(asel, NEW) | {"slug": "air", "title": "Air", "when": "day"}
    typed |= {"date": "2026-05-01", "contributors[1].name": "Saule"}
    for do in ("add contributors", "add contributors", "add questions", "add partners"):
        page = save(asel, typed, NEW, do)
        assert page.status_code == 200
        typed = form_of(page.text)[1]
    typed |= {"contributors[3].name": "Timur", "contributors[3].role": "moderator"}
    typed |= {"questions[1].label": "Where?", "questions[1].key": "place"}
    for do in (
        "up contributors[3]",
        "up contributors[2]",
        "down contributors[9]",
        "remove contributors[9]",
    ):
        typed = form_of(save(asel, typed, NEW, do).text)[1]
    assert typed["contributors[1].name"] == "Timur"
    assert all_drafts() == []
    assert save(asel, typed, NEW).location == "/organizer/discussions/air/review"
    # It is not there yet: only administrators see it.
    assert "Air" in asel.get("/organizer/").text
    assert visitor.get("/discussions/air").status_code == 404
    assert publish(asel, slug="air").status_code == 303
    with reading() as tx:
        found = catalog.find(tx, "air")
    assert [person.name for person in found.content.contributors] == ["Timur", "Saule"]
    assert [question.key for question in found.content.questions] == ["place"]
    assert found.content.partners == []
    assert found.file_digest is None
    assert deeds() == [("discussion.published", "air", 0, None)]


@on_sqlite
def test_only_its_organizers_edit_a_discussion_and_only_administrators_create_one(app, clock):
    builders.publish(builders.with_questions())
    builders.publish_first()
    asel = signed_in(app, clock)
    save(asel, fields_of(asel, NEW), NEW, slug="air")
    other = signed_in(app, clock, ERLAN, Role.ORGANIZER, "bloody-january")
    partner = signed_in(app, clock, "lab@example.org", Role.PARTNER, "water", partner="PaperLab")
    missing = other.get("/organizer/never").data
    acts = ("edit", "review", "review/page", "review/letter", "review/file", "file", "cancel")
    acts += ("restore", "take-off", "publish-again")
    posts = ("edit", "publish", "discard", "cancel", "restore", "take-off", "publish-again")
    before = builders.every_row()
    for desk in (other, partner):
        token = form_of(desk.get("/organizer/").text)[1]
        for slug in ("water", "air", "never"):
            at = f"/organizer/discussions/{slug}"
            assert {desk.get(f"{at}/{act}").data for act in acts} == {missing}
            sent = token | {"version": "0", "why": "No."}
            found = {desk.client.post(f"{at}/{act}", data=sent).data for act in posts}
            assert found == {missing}
        assert desk.get(NEW).data == desk.client.post(NEW, data=token).data == missing
    assert builders.every_row() == before
    assert other.get("/organizer/discussions/bloody-january/edit").status_code == 200
    assert "New discussion" not in other.get("/organizer/").text


def test_two_who_edit_at_once_lose_nothing_unseen(app, clock):
    builders.publish()
    asel, erlan = signed_in(app, clock), signed_in(app, clock, ERLAN)
    hers, his = fields_of(asel), fields_of(erlan)
    hers |= {"title": "Her title", "summary": "Her summary."}
    assert save(asel, hers).status_code == 303
    clashed = save(erlan, his, summary="His summary.", subtitle="His subtitle")
    assert clashed.status_code == 409
    said = text_of(clashed.text)
    assert f"Draft of {ASEL}" in said
    assert "Title: the new one is below New Her title Yours Who owns the water?" in said
    assert "Summary: yours is below New Her summary. Yours His summary." in said
    assert all_drafts()[0].typed["summary"] == "Her summary."
    his = form_of(clashed.text)[1]
    assert [his[name] for name in ("title", "summary")] == ["Her title", "His summary."]
    assert save(erlan, his).status_code == 303
    typed = all_drafts()[0].typed
    said = [typed[name] for name in ("title", "summary", "subtitle")]
    assert said == ["Her title", "His summary.", "His subtitle"]
    # She has the page open still on which she saw nothing of his.
    assert save(asel, hers).status_code == 409


def test_of_two_at_the_same_moment_one_is_first(app, clock):
    builders.publish()
    asel, erlan = signed_in(app, clock), signed_in(app, clock, ERLAN)
    new = [(desk, fields_of(desk, NEW)) for desk in (asel, erlan)]
    old = [(desk, fields_of(desk)) for desk in (asel, erlan)]

    def statuses(acts) -> list[int]:
        return sorted(answer.status_code for answer in at_once(app, acts))

    begun = [lambda it=it: save(it[0], it[1], NEW, slug="air", title=it[0].address) for it in new]
    assert statuses(begun) == [303, 422]
    typed = [lambda it=it: save(it[0], it[1], summary=it[0].address) for it in old]
    assert statuses(typed) == [303, 409]
    pressed = [(desk, form_of(desk.get(REVIEW).text, "/publish")[1]) for desk in (asel, erlan)]
    published = [lambda it=it: it[0].client.post(f"{WATER}/publish", data=it[1]) for it in pressed]
    assert statuses(published) == [303, 303]
    assert (water().version, len(deeds()), [it.slug for it in all_drafts()]) == (2, 1, ["air"])


@on_sqlite
def test_a_publication_meanwhile_is_neither_undone_nor_lost(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    form = fields_of(asel)
    save(asel, form, title="Hers", subtitle="Her subtitle")
    seal = form_of(asel.get(REVIEW).text, "/publish")[1]
    assert from_file(file('title = "From the file"\nseats = 5')) is Outcome.AMENDED
    assert asel.client.post(f"{WATER}/publish", data=seal).status_code == 409
    assert "was changed or cancelled since this draft" in text_of(asel.get(REVIEW).text)
    page = asel.get(EDIT)
    said = text_of(page.text)
    assert "Title: yours is below New From the file Yours Hers" in said
    assert "Seats: the new one is below New 5 Yours nothing" in said
    # Neither does an old form undo it.
    assert save(asel, form, title="Hers").status_code == 409
    assert save(asel, form_of(page.text)[1]).status_code == 303
    assert publish(asel).status_code == 303
    found = water()
    stated = (found.content.title, found.content.subtitle, found.seats)
    assert stated == ("Hers", "Her subtitle", 5)


@on_sqlite
def test_a_file_undoes_no_browser_edit_and_the_download_equals_it(app, clock):
    builders.publish(builders.with_questions())
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), title="Edited")
    draft = asel.get(f"{REVIEW}/file")
    publish(asel)
    assert from_file(builders.with_questions(), keep_edits=True) is Outcome.UNCHANGED
    assert from_file(builders.with_questions("seats = 9"), keep_edits=True) is Outcome.LEFT_ALONE
    assert water().content.title == "Edited"
    download = asel.get(f"{WATER}/file")
    assert download.headers["Content-Disposition"] == "attachment; filename=water.toml"
    assert (download.mimetype, download.data) == ("application/toml", draft.data)
    assert read(download.data) == water().announcement
    for keep_edits in (True, False):
        assert from_file(download.data, keep_edits=keep_edits) is Outcome.UNCHANGED
    assert from_file(download.data + b"\n[[partners]]\nrole = 'host'\nname = 'A'\n",
                     keep_edits=True) is Outcome.AMENDED  # fmt: skip


@on_sqlite
def test_a_button_that_is_pressed_twice_publishes_once(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), title="Once")
    button = form_of(asel.get(REVIEW).text, "/publish")[1]
    answers = [asel.client.post(f"{WATER}/publish", data=button) for _ in range(2)]
    assert [(it.status_code, it.location) for it in answers] == [(303, WATER)] * 2
    assert (water().version, len(deeds())) == (2, 1)
    save(asel, fields_of(asel), title="Twice")
    stale = asel.client.post(f"{WATER}/publish", data=button | {"csrf_token": "old"})
    assert (stale.status_code, water().content.title) == (422, "Once")
    # A draft that was not reviewed is not published.
    assert asel.client.post(f"{WATER}/publish", data=button).status_code == 409


@on_sqlite
def test_how_many_letters_it_owes_is_said_and_a_slip_refused(app, clock):
    builders.publish()
    builders.register_and_confirm()
    builders.deliver()
    asel = signed_in(app, clock)
    moved = {"starts": "2026-04-03T17:00", "ends": "2026-04-03T18:30"}
    save(asel, fields_of(asel), **moved)
    before = builders.letter_kinds()
    assert "1 letter will be owed to attendees." in text_of(asel.get(REVIEW).text)
    refused = publish(asel, "quietly")
    assert refused.status_code == 409
    assert "it cannot be published quietly. Nothing was published." in text_of(refused.text)
    assert builders.letter_kinds() == before
    save(asel, fields_of(asel), starts="2025-04-03T17:00", ends="2025-04-03T18:30")
    page = asel.get(REVIEW).text
    assert "water is still to come, and would be over" in text_of(page)
    assert 'value="publish"' not in page
    save(asel, fields_of(asel), **moved)
    assert publish(asel).status_code == 303
    assert builders.letter_kinds() == [*before, "change"]
    assert deeds() == [("discussion.changed", "water", 1, "time")]


BAD = {
    "title": ("", "Is missing; it must be one line of text."),
    "description": ("a" * 20_001, "Has 20001 characters; at most 20000 are taken."),
    "starts": ("tomorrow", "Must be a time without an offset"),
    "zone": ("Mars/Base", "Must be a time zone such as Asia/Almaty or UTC."),
    "language": ("english", "Must be a language tag such as en, ru or kk."),
    "until": ("2026-13-01T00:00", 'Must be "open", "closed" or a time'),
    "seats": ("9" * 5000, "Must be a whole number from 1 to 1000000."),
    "join_url": ("javascript:alert(1)", "Must be a whole web address"),
    "reminders": ("1d soon", "Must be a list of times before the start"),
    "contributors[1].url": ("//example.org", "Must be a whole web address"),
    "contributors[1].role": ("king", "Must be one of speaker, moderator."),
    "questions[1].key": ("email", "Is the name of a column of the export"),
    "questions[3].options": ("One", "Must list at least two choices"),
    "sharing[1].what": (["name", "password"], "Must list some of name, email, affiliation."),
}


@on_sqlite
def test_the_audit_log_tells_what_was_published_quietly(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), join_url="https://meet.example.org/other")
    assert publish(asel, "quietly").status_code == 303
    assert deeds() == [("discussion.changed", "water", 0, "join_url, quietly")]


@on_sqlite
def test_every_mistake_is_told_at_its_field_and_everything_typed_is_kept(app, clock):
    builders.publish(builders.with_questions())
    asel = signed_in(app, clock)
    bad = {name: value for name, (value, _said) in BAD.items()}
    assert save(asel, fields_of(asel), registration="until", **bad).status_code == 303
    page = asel.get(EDIT).text
    for name, (value, said) in BAD.items():
        shown = page.partition(f'id="{name}-error">')[2]
        assert shown.replace("&#34;", '"').startswith(said), (name, shown[:90])
        # A value that no page offers cannot be shown as chosen.
        if name not in {"contributors[1].role", "sharing[1].what"}:
            assert form_of(page)[1][name] == value
    assert "14 places need another look." in page
    assert 'name="publish"' not in asel.get(REVIEW).text
    assert publish_anyway(asel).status_code == 422
    for path in ("/page", "/letter"):
        assert asel.get(REVIEW + path).status_code == 404
    assert asel.get(f"{REVIEW}/file").location == REVIEW
    assert water().version == 1


def publish_anyway(desk):
    """Press a button that is not there."""
    with reading() as tx:
        from registration.services.drafts import drafts

        seen = drafts.Standing("water", water(), tx.scalar(select(Draft))).digest
    token = form_of(desk.get(REVIEW).text, "/discard")[1]
    return desk.client.post(f"{WATER}/publish", data=token | {"seen": seen})


@on_sqlite
def test_a_time_that_clocks_do_not_show_once_is_refused(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    for zone, starts, said in (
        ("Europe/Berlin", "2026-03-29T02:30", "Does not exist in Europe/Berlin"),
        ("Europe/Berlin", "2026-10-25T02:30", "Happens twice in Europe/Berlin"),
        ("UTC", "2026-10-25", "Must be a time without an offset"),
    ):
        ends = f"{starts[:10]}T12:00"
        save(asel, fields_of(asel), zone=zone, starts=starts, ends=ends)
        page = asel.get(EDIT).text
        assert f'id="starts-error">{said}' in page
        # A browser shows nothing of a time that it cannot read.
        assert f'<input type="text" id="starts" name="starts" value="{starts}"' in page


@on_sqlite
def test_a_form_that_no_page_has_sent_breaks_nothing(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    typed = fields_of(asel)
    token = {name: typed[name] for name in ("csrf_token", "version", "base")}
    strange = {
        "title": ["First", "Second"],
        "contributors[999999999999].name": "Last",
        "contributors[7].name": "First",
        "contributors[7].biography.x": "no",
        "contributors[7].password": "no",
        "contributors[1e3].name": "no",
        "questions[1].kind": "yes",
        "visible": "no",
        "do": "publish",
    }
    assert asel.client.post(EDIT, data=token | strange).status_code == 303
    (draft,) = all_drafts()
    assert [it["name"] for it in draft.typed["contributors"]] == ["First", "Last"]
    assert (draft.typed["title"], draft.typed["questions"]) == ("First", [])
    assert set(draft.typed) == {*typed_names()}
    # A missing field is empty; it does not keep the published value.
    assert draft.typed["description"] == draft.typed["discreet"] == ""
    asel.client.post(EDIT, data=token | {"version": "²", "base": "title=x title"})
    stale = save(asel, typed | {"csrf_token": "old", "title": "Kept"})
    assert (stale.status_code, form_of(stale.text)[1]["title"]) == (422, "Kept")
    assert all_drafts()[0].typed["title"] == "First"


def typed_names() -> set[str]:
    from registration.discussion_file import form_values

    return set(form_values.empty_form())


@on_sqlite
def test_a_form_sent_after_the_session_ended_is_kept(app, clock, visitor):
    builders.publish()
    asel = signed_in(app, clock)
    asel.sign_in()
    typed = fields_of(asel) | {"title": "An hour's work", "contributors[1].name": "Timur"}
    clock.advance(hours=2)
    kept = save(asel, typed)
    assert (kept.status_code, all_drafts()) == (422, [])
    assert "Who owns the water?" not in kept.text
    # A stranger gets no page, neither with Asel's token nor with one of their own.
    token = form_of(visitor.get("/discussions/water/register").text)[1]["csrf_token"]
    for given in (typed["csrf_token"], token):
        refused = save(visitor, typed | {"csrf_token": given})
        assert refused.location.startswith("/organizer/sign-in")
    assert save(asel, typed | {"csrf_token": "x"}).location.startswith("/organizer/sign-in")
    assert asel.sign_in().status_code == 303
    action, typed = form_of(kept.text)
    assert action == EDIT
    again = save(asel, typed)
    assert again.status_code == 422
    assert save(asel, form_of(again.text)[1]).status_code == 303
    assert all_drafts()[0].typed["title"] == "An hour's work"
    assert all_drafts()[0].typed["contributors"][0]["name"] == "Timur"


@on_sqlite
def test_a_refused_name_of_a_new_draft_loses_no_text(app, clock):
    builders.publish()
    asel, erlan = signed_in(app, clock), signed_in(app, clock, ERLAN)
    for slug, said in (("water", "Is taken:"), ("", "Is missing"), ("A b", "May hold small"),
                       ("wa\ufeffter", "May hold small")):  # fmt: skip
        refused = save(asel, fields_of(asel, NEW), NEW, slug=slug, title="Typed")
        assert (refused.status_code, form_of(refused.text)[1]["title"]) == (422, "Typed")
        assert f'id="slug-error">{said}' in refused.text
    air = "/organizer/discussions/air/edit"
    save(asel, fields_of(asel, NEW), NEW, slug="air", title="Air")
    his = fields_of(erlan, air)
    assert save(asel, fields_of(asel, air), air, slug="wind").status_code == 303
    gone = save(erlan, his, air, title="His")
    assert (gone.status_code, form_of(gone.text)[0]) == (409, NEW)
    assert form_of(gone.text)[1]["title"] == "His"
    wind = "/organizer/discussions/wind/review"
    asel.fill(wind, action="/discard")
    assert all_drafts() == []
    assert deeds() == [("draft.deleted", "wind", None, None)]
    assert asel.get(wind).status_code == 404


@on_sqlite
def test_answers_that_are_held_are_counted_where_their_question_goes(app, clock, visitor):
    builders.publish(builders.with_questions("address_confirmation = false"))
    for number in range(3):
        answers = {"city": "Almaty"} if number else {"ask": "Why?", "city": "Oral"}
        builders.register(address=f"a{number}@example.org", answers=answers)
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), **{"questions[1].key": "town", "questions[2].label": "Ask!"})
    said = text_of(asel.get(REVIEW).text)
    assert "3 answers are held to the question “city”" in said
    assert "question “ask”" not in said
    publish(asel)
    with reading() as tx:
        from registration.services.attendees import exports

        assert {"city", "town"} <= set(exports.header(tx, "water"))


@on_sqlite
def test_the_frames_show_page_and_letter_and_can_do_nothing(app, clock):
    builders.publish(file("discreet = false"))
    asel = signed_in(app, clock)
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(1)> {{7*7}} *new*"
    save(asel, fields_of(asel), description=hostile, join_url="https://meet.example.org/x")
    for path in ("/page", "/letter"):
        frame = asel.get(REVIEW + path)
        policy = frame.headers["Content-Security-Policy"]
        assert "sandbox" in policy
        assert "script-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "<em>new</em>" in frame.text
        assert "<script>alert" not in frame.text
        assert "<img" not in frame.text
    assert "https://meet.example.org/x" not in asel.get(f"{REVIEW}/page").text
    assert "erased on 2 May 2026" in text_of(asel.get(f"{REVIEW}/letter").text)
    seen = text_of(asel.get(REVIEW).text)
    assert "You are registered: Who owns the water?" in seen
    assert "DTSTART:20260402T120000Z" in seen
    assert builders.letter_kinds() == []


@on_sqlite
def test_a_page_says_if_its_form_is_too_large_to_send(app, clock):
    person = '\n[[contributors]]\nrole = "speaker"\nname = "Спикер"\nbiography = "{}"\n'
    asel = signed_in(app, clock)
    said = "This is more than a form can send."
    for letters, fits in ((4250, False), (4100, True)):
        builders.publish(file() + (person.format("ы" * letters) * 20).encode())
        page = asel.get(EDIT).text
        assert (said not in page) == fits
        answer = save(asel, form_of(page)[1])
        assert answer.status_code == (303 if fits else 413)
    for group, field, most in (("contributors", "name", 500), ("questions", "kind", 20)):
        many = {f"{group}[{number}].{field}": "" for number in range(most + 11)}
        assert asel.client.post(EDIT, data=many).status_code == 413


@on_sqlite
def test_a_draft_is_deleted_only_after_its_last_version_was_seen(app, clock):
    builders.publish()
    asel, erlan = signed_in(app, clock), signed_in(app, clock, ERLAN)
    save(asel, fields_of(asel), title="Old draft")
    seen = form_of(erlan.get(REVIEW).text, "/discard")[1]
    save(asel, fields_of(asel), title="Two hours of work")
    refused = erlan.client.post(f"{WATER}/discard", data=seen)
    assert (refused.status_code, len(all_drafts())) == (409, 1)
    assert "Two hours of work" in text_of(refused.text)
    assert "Nothing was deleted." in text_of(refused.text)
    seen = form_of(refused.text, "/discard")[1]
    assert erlan.client.post(f"{WATER}/discard", data=seen).location == WATER
    assert all_drafts() == []


@on_sqlite
def test_a_publication_behind_a_draft_is_shown_before_it_is_undone(app, clock):
    builders.publish()
    asel, erlan = signed_in(app, clock), signed_in(app, clock, ERLAN)
    hers = fields_of(asel)
    save(erlan, fields_of(erlan), summary="His draft.")
    from_file(file('summary = "From the file."'))
    first = save(asel, hers, title="Her title")
    assert first.status_code == 409
    assert "Summary: the new one is below New His draft." in text_of(first.text)
    second = save(asel, form_of(first.text)[1])
    assert second.status_code == 409
    said = "Summary: yours is below New From the file. Yours His draft."
    assert said in text_of(second.text)
    assert save(asel, form_of(second.text)[1]).status_code == 303
    assert all_drafts()[0].typed["summary"] == "His draft."
    assert "summary" in text_of(asel.get(REVIEW).text).lower()
    # Typing the same value as the draft does not show that the file was seen.
    from_file(file('summary = "Another."'))
    same = save(asel, hers | {"summary": "His draft.", "title": "Her title"})
    assert same.status_code == 409
    assert "Another." in text_of(same.text)


@on_sqlite
def test_edits_in_a_draft_do_not_count_as_unchanged_fields(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    save(asel, fields_of(asel), summary="Two hours of work.")
    form = fields_of(asel)
    from_file(file('summary = "From the file."\nseats = 5'))
    clashed = save(asel, form, title="Hers")
    said = text_of(clashed.text)
    assert clashed.status_code == 409
    assert "Summary: yours is below New From the file. Yours Two hours of work." in said
    assert "Seats: the new one is below New 5" in said
    held = form_of(clashed.text)[1]
    assert (held["summary"], held["seats"]) == ("Two hours of work.", "5")


@on_sqlite
def test_a_draft_is_looked_at_while_another_writes(app, clock):
    builders.publish(file("address_confirmation = false\nseats = 1"))
    for name in ("a", "b", "c"):
        builders.register(address=f"{name}@example.org")
    builders.deliver()
    asel = signed_in(app, clock)
    with writing() as tx:
        tx.query(Registration).update({Registration.wants_follow_up: True})
    changes = {
        "seats": "2",
        "recording_url": "https://example.org/recording",
        "join_url": "https://example.org/join",
    }
    # An attendee whose letter about a change is still owed is counted with the next change.
    foretold = []
    for name, value in [*changes.items(), ("title", "Another")]:
        save(asel, fields_of(asel), **{name: value})
        with writing():
            said = text_of(asel.get(REVIEW).text)
        foretold.append(int((re.search(r"(\d+) letters? will be owed", said) or [0, 0])[1]))
        publish(asel)
    assert foretold == [count for _deed, _slug, count, _detail in deeds()] == [1, 3, 2, 2]
