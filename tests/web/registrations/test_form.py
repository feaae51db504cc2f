"""The registration form: its fields, the data kept, and an answer that gives nothing away."""

import time
from contextlib import contextmanager
from xml.etree.ElementTree import Element

import html5lib
import pytest
from sqlalchemy import text

from registration import database
from registration.database import writing
from registration.discussion_file import form_size
from registration.services.discussions import publication
from registration.services.registrations import self_service

from ... import builders
from ...machine import on_sqlite
from ...visitor import Visitor, form_of, text_of

FORM = "/discussions/water/register"
PERSON = {"name": "Айгерим", "email": "aigerim@example.org"}
HTML = '<script>alert("1")</script><b>&amp;\''


def tree_of(page: str) -> Element:
    return html5lib.parse(page, namespaceHTMLElements=False)


def shown_values(page: str) -> dict[str, list[str]]:
    """Return what the page's form would send, and every ticked box by its value."""
    _action, values = form_of(page)
    found = {name: [value] for name, value in values.items()}
    ticked = [box for box in tree_of(page).iter("input") if box.get("checked") is not None]
    for name in {box.get("name") for box in ticked}:
        found[name] = [box.get("value") for box in ticked if box.get("name") == name]
    return found


def held_on(page: str) -> list[tuple[str, str]]:
    """Return what an attendee's page says is held, by its labels."""
    (held,) = [part for part in tree_of(page).iter("dl") if part.get("class") == "held"]
    words = ["".join(item.itertext()) for item in held if item.tag in {"dt", "dd"}]
    return list(zip(words[::2], words[1::2], strict=True))


LONGEST = """
[[questions]]
key = "{key}"
label = "Why?"
kind = "{kind}"
required = true
options = [{options}]
"""
WIDE = "𠜎"  # four bytes in UTF-8


def in_parts(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    """Return a form as a browser sends it, with the longest boundary, and its type."""
    boundary = "-" * 70
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    body = "".join([*parts, f"--{boundary}--\r\n"])
    return body.encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize(
    "kinds",
    [
        ["long"] * 7,
        ["long"] * 3 + ["line"] * 14 + ["choices", "choice", "yes"],
        ["choices"] * 3 + ["line"] * 16,
    ],
)
def test_an_honest_form_at_full_length_in_the_widest_script_is_taken(app, visitor, kinds):
    options = [f"{WIDE * 20} {number}" for number in range(40)]
    questions = (
        LONGEST.format(
            key=f"{'k' * 38}{number:02}",
            kind=kind,
            options=", ".join(f'"{it}"' for it in options) if kind.startswith("choice") else "",
        )
        for number, kind in enumerate(kinds)
    )
    discussion = builders.publish(builders.file() + "".join(questions).encode())
    largest = form_size.largest_form(discussion.content)
    page = visitor.get(FORM).text
    (form,) = (form for form in tree_of(page).iter("form") if form.get("method") == "post")
    assert form.get("enctype") == "multipart/form-data"
    empty = {name: "" for name in form_of(page)[1] if not name.startswith("question_")}
    hidden = empty | {name: form_of(page)[1][name] for name in ("csrf_token", "opened", "asked")}
    typed = {"name": WIDE * 200, "affiliation": WIDE * 200, "zone": "America/Argentina/Ushuaia"}
    typed |= {"email": f"{'a' * 63}@{'b' * 60}.{'c' * 60}.{'d' * 60}.org", "follow_up": "y"}
    values = {"long": [WIDE * 2000], "line": [WIDE * 300], "yes": ["y"], "choice": options[-1:]}
    values["choices"] = options
    fields = [*(hidden | typed).items()]
    for item in discussion.content.questions:
        fields += [(f"question_{item.key}", value) for value in values[item.kind]]
    body, kind = in_parts(fields)
    assert largest - 4500 < len(body) <= largest <= form_size.MAX_FORM_BYTES
    visitor.clock.advance(minutes=1)
    assert visitor.client.post(FORM, data=body, content_type=kind).status_code == 303


def test_every_answer_and_consent_is_kept_and_shown(app, visitor):
    builders.publish(builders.with_questions())
    typed = builders.ANSWERS | {
        "affiliation": "Institute of Geography",
        "question_ask": "First line\r\nsecond line",
        "question_topics": ["Rivers", "Lakes & seas"],
        "sharing_1": "y",
    }
    assert visitor.fill(FORM, **PERSON, **typed).status_code == 303
    held = builders.confirm()
    assert (held.name, held.affiliation) == ("Айгерим", "Institute of Geography")
    assert held.answers == {
        "city": "Almaty",
        "ask": "First line\nsecond line",
        "seat": "Back",
        "topics": ["Rivers", "Lakes & seas"],
        "rules": True,
    }
    agreed = {"partner": "Aral Fund", "what": ["name"], "why": "To count."}
    assert held.shared_with == [agreed]

    page = visitor.get(f"/registrations/{held.token}").text
    assert held_on(page)[2:9] == [
        ("Affiliation", "Institute of Geography"),
        ("Which city?", "Almaty"),
        ("What would you ask?", "First line\nsecond line"),
        ("Where do you sit?", "Back"),
        ("Which topics?", "Rivers; Lakes & seas"),
        ("I keep to the rules.", "Yes"),
        ("You agreed to share", "name with Aral Fund"),
    ]
    shown = shown_values(page[page.index('id="change"') :])
    assert shown["question_topics"] == ["Rivers", "Lakes & seas"]
    assert shown["question_seat"] == ["Back"]
    assert "sharing_0" not in shown
    assert shown["sharing_1"] == ["y"]


@on_sqlite
def test_empty_fields_are_not_held_and_nothing_is_ticked_beforehand(app, visitor):
    builders.publish(builders.with_questions())
    shown = visitor.get(FORM).text
    # The zone is ticked, and says nothing unless a script fills it in.
    assert shown.count("checked") == shown.count('name="zone" value="" checked') == 1
    assert visitor.fill(FORM, **PERSON, **builders.ANSWERS).status_code == 303
    held = builders.attendee()
    assert held.answers == {"city": "Almaty", "seat": "Back", "rules": True}
    assert (held.affiliation, held.shared_with) == ("", [])


@on_sqlite
def test_a_required_question_is_required_and_the_others_are_not(app, visitor):
    builders.publish(builders.with_questions())
    page = visitor.fill(FORM, **PERSON)
    assert page.status_code == 422
    assert page.text.count('class="error"') == 3
    seen = text_of(page.text)
    for label in ("Which city?", "Where do you sit?", "I keep to the rules."):
        assert f"{label}: This question needs an answer." in seen
    assert builders.count_registrations() == 0


@on_sqlite
def test_each_field_has_its_label_and_each_fault_its_place(app, visitor):
    builders.publish(builders.with_questions())
    for page in (visitor.get(FORM).text, visitor.fill(FORM).text):
        tree = tree_of(page)
        ids = [element.get("id") for element in tree.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        labelled = {label.get("for") for label in tree.iter("label")}
        within = {box.get("id") for label in tree.iter("label") for box in label.iter("input")}
        fields = [item for name in ("input", "textarea") for item in tree.iter(name)]
        for field in fields:
            if field.get("type") != "hidden":
                assert field.get("id") in labelled | within
        for link in tree.iter("a"):
            if (link.get("href") or "").startswith("#"):
                assert link.get("href")[1:] in ids
        for element in tree.iter():
            assert set((element.get("aria-describedby") or "").split()) <= set(ids)
    faulty = [element for element in tree.iter() if element.get("aria-invalid") == "true"]
    assert {element.get("id") for element in faulty} == {
        "name", "email", "question_city", "question_seat", "question_rules",
    }  # fmt: skip
    for element in faulty:
        assert f"{element.get('id')}-error" in element.get("aria-describedby").split()


@on_sqlite
def test_a_group_of_boxes_does_not_require_each_of_them(app, visitor):
    builders.publish(
        builders.file() + builders.QUESTIONS.replace('"Law"]', '"Law"]\nrequired = true').encode()
    )
    boxes = [
        box
        for box in tree_of(visitor.get(FORM).text).iter("input")
        if box.get("name") == "question_topics"
    ]
    assert len(boxes) == 3
    assert [box.get("required") for box in boxes] == [None] * 3
    assert (
        visitor.fill(FORM, **PERSON, **builders.ANSWERS, question_topics="Law").status_code == 303
    )


@on_sqlite
def test_browsers_can_fill_in_who_somebody_is(app, visitor):
    builders.publish()
    fields = {field.get("name"): field for field in tree_of(visitor.get(FORM).text).iter("input")}
    assert fields["name"].get("autocomplete") == "name"
    assert fields["email"].get("autocomplete") == "email"
    assert fields["email"].get("type") == "email"
    assert fields["affiliation"].get("autocomplete") == "organization"
    assert fields["website"].get("autocomplete") == "off"
    assert [fields[name].get("maxlength") for name in ("name", "email")] == ["200", "254"]


def test_the_answer_is_the_same_for_every_address(app, clock):
    builders.publish()
    builders.register(address="unconfirmed@example.org")
    builders.register_and_confirm("confirmed@example.org")
    left = builders.register_and_confirm("withdrawn@example.org")
    with writing() as tx:
        mine, _discussion = self_service.by_token(tx, left.token)
        self_service.withdraw(tx, mine)
    for _ in range(4):
        builders.register(address="capped@example.org")
    answers = []
    for name in ("new", "unconfirmed", "confirmed", "withdrawn", "capped"):
        somebody = Visitor(app, clock)
        answer = somebody.fill(FORM, name="A", email=f"{name}@example.org")
        page = somebody.get(answer.location)
        answers.append([(it.status, sorted(it.headers), it.data) for it in (answer, page)])
    assert answers[0][0][0] == "303 SEE OTHER"
    assert answers == [answers[0]] * 5


@on_sqlite
def test_a_refused_form_comes_back_with_everything_typed(app, visitor):
    builders.publish(builders.with_questions())
    typed = builders.ANSWERS | {
        "name": "Айгерим",
        "email": "not an address",
        "affiliation": "Алматы",
        "question_ask": "First line\nsecond",
        "question_topics": ["Rivers", "Law"],
        "sharing_0": "y",
    }
    page = visitor.fill(FORM, **typed)
    assert page.status_code == 422
    shown = shown_values(page.text)
    for name, value in typed.items():
        assert shown[name] == (value if isinstance(value, list) else [value])
    assert "sharing_1" not in shown


@on_sqlite
def test_html_is_shown_as_it_was_typed_everywhere(app, visitor):
    content = builders.with_questions()
    builders.publish(content)
    typed = builders.ANSWERS | {"affiliation": HTML, "question_city": HTML, "question_ask": HTML}
    page = visitor.fill(FORM, name=HTML, email=HTML, **typed).text
    shown = shown_values(page)
    assert [shown[name] for name in ("name", "email", "question_ask")] == [[HTML]] * 3
    assert not any(script.text for script in tree_of(page).iter("script"))

    assert visitor.fill(FORM, name=HTML, email="a@example.org", **typed).status_code == 303
    held = builders.confirm("a@example.org")
    own = visitor.get(f"/registrations/{held.token}").text
    assert [value for _name, value in held_on(own)].count(HTML) == 4
    assert not any(script.text for script in tree_of(own).iter("script"))
    builders.deliver()
    letter = builders.kept_letters(app)[-1].get_body(("html",)).get_content()
    assert HTML in text_of(letter)
    assert list(tree_of(letter).iter("script")) == []


@on_sqlite
def test_an_expired_form_comes_back_and_can_be_sent_again(app, visitor):
    builders.publish()
    app.config["WTF_CSRF_TIME_LIMIT"] = -1
    page = visitor.fill(FORM, **PERSON)
    assert page.status_code == 422
    assert "What you typed is still here" in text_of(page.text)
    app.config["WTF_CSRF_TIME_LIMIT"] = 60
    _action, values = form_of(page.text)
    assert values["name"] == "Айгерим"
    assert visitor.client.post(FORM, data=values).status_code == 303


@on_sqlite
def test_a_form_without_its_cookie_comes_back_and_can_be_sent_again(app, visitor):
    builders.publish()
    _action, hidden = form_of(visitor.get(FORM).text)
    visitor.client.delete_cookie("session")
    visitor.clock.advance(seconds=10)
    page = visitor.client.post(FORM, data=hidden | PERSON)
    assert page.status_code == 422
    assert "your browser sent no cookie" in text_of(page.text)
    _action, values = form_of(page.text)
    assert visitor.client.post(FORM, data=values).status_code == 303


@on_sqlite
def test_the_trap_for_programs_shows_itself_and_can_be_undone(app, visitor):
    builders.publish()
    page = visitor.fill(FORM, **PERSON, website="https://example.com")
    assert page.status_code == 422
    assert "Only programs fill this in." in text_of(page.text)
    assert 'aria-hidden="true"' not in page.text
    _action, values = form_of(page.text)
    assert (values["website"], values["name"]) == ("https://example.com", "Айгерим")
    assert visitor.client.post(FORM, data=values | {"website": ""}).status_code == 303


@on_sqlite
def test_a_form_sent_too_fast_or_forged_can_be_sent_again(app, visitor):
    builders.publish()
    for opened in (None, "", "1", "1.forged", "\0", "99999999999999.x", "ы.ы"):
        _action, hidden = form_of(visitor.get(FORM).text)
        forged = {} if opened is None else {"opened": opened}
        visitor.clock.advance(seconds=1)
        page = visitor.client.post(FORM, data=hidden | PERSON | forged)
        assert page.status_code == 422
        assert "faster than a person can type" in text_of(page.text)
        _action, values = form_of(page.text)
        visitor.clock.advance(seconds=2)
        assert visitor.client.post(FORM, data=values).status_code == 303


@on_sqlite
def test_a_form_that_closes_before_it_is_sent_keeps_what_was_typed(app, visitor):
    discussion = builders.publish()
    visitor.clock.now = discussion.ends_at
    visitor.clock.advance(seconds=-1)
    page = visitor.fill(FORM, **PERSON)
    assert page.status_code == 409
    assert "Registration is closed, so nothing was sent." in text_of(page.text)
    assert shown_values(page.text)["name"] == ["Айгерим"]
    assert builders.count_registrations() == 0


@on_sqlite
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_closed_or_cancelled_discussion_has_no_form(app, visitor, is_cancelled):
    builders.publish(builders.file("" if is_cancelled else 'registration = "closed"'))
    if is_cancelled:
        builders.cancel()
    page = visitor.get(FORM)
    assert page.status_code == 200
    assert "Registration is closed." in text_of(page.text)
    assert list(tree_of(page.text).iter("form")) == []


@on_sqlite
def test_an_unpublished_discussion_has_no_form_and_an_unknown_one_neither(app, visitor):
    builders.publish()
    _action, hidden = form_of(visitor.get(FORM).text)
    with writing() as tx:
        publication.unpublish(tx, "water")
    assert visitor.get(FORM).status_code == 410
    assert visitor.client.post(FORM, data=hidden | PERSON).status_code == 410
    assert visitor.get("/discussions/water/registered").status_code == 410
    assert visitor.get("/discussions/fire/register").status_code == 404


@on_sqlite
def test_the_form_of_a_full_discussion_announces_the_waiting_list(app, visitor):
    builders.publish(builders.file("seats = 1"))
    assert "waiting list" not in text_of(visitor.get(FORM).text)
    builders.register(address="other@example.org")
    for page in (visitor.get(FORM), visitor.fill(FORM, name="A", email="wrong")):
        assert "If you register, you join the waiting list." in text_of(page.text)
        assert "Join the waiting list" in page.text
    assert visitor.fill(FORM, **PERSON).status_code == 303
    builders.confirm()
    assert builders.registration_of().status.value == "waiting"


@on_sqlite
def test_a_database_locked_for_too_long_loses_nothing_typed(impatient, clock):
    app = impatient
    builders.publish(builders.with_questions())
    token = builders.register_and_confirm("held@example.org").token
    own, find = f"/registrations/{token}", "/registrations/find"
    typed = PERSON | builders.ANSWERS
    forms = [(FORM, None, typed), (own, "/change", typed), (find, None, {"email": "a@example.org"})]
    people = [(Visitor(app, clock), form) for form in forms]
    with writing():
        pages = builders.at_once(
            app,
            [lambda who=who, form=form: who.fill(*form[:2], **form[2]) for who, form in people],
        )
    for page, (path, _action, fields) in zip(pages, forms, strict=True):
        assert (page.status_code, page.headers.get("Retry-After")) == (503, "60")
        assert "What you typed is still here" in text_of(page.text)
        changing = page.text[page.text.index('id="change"') :] if path == own else page.text
        assert shown_values(changing)["email"] == [fields["email"]]
    assert builders.count_registrations() == 1
    _action, values = form_of(pages[0].text)
    assert people[0][0].client.post(FORM, data=values | builders.ANSWERS).status_code == 303


def test_the_form_comes_back_filled_in_when_the_database_is_unreadable(impatient, visitor):
    builders.publish()
    _action, hidden = form_of(visitor.get(FORM).text)
    visitor.clock.advance(seconds=10)
    with held_by_somebody_else(impatient):
        page = visitor.client.post(FORM, data=hidden | PERSON)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
    assert "What you typed is still here" in text_of(page.text)
    assert shown_values(page.text)["email"] == [PERSON["email"]]


@contextmanager
def held_by_somebody_else(app):
    """Keep every reader out, as an upgrade or a repair of the database would."""
    with app.app_context():
        database.engine().dispose()
        url = app.extensions["settings"].database_url
    other = database.connect(url).connect()
    if other.dialect.name == "sqlite":
        other.connection.driver_connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.connection.driver_connection.execute("BEGIN IMMEDIATE")
    else:
        other.execute(text("LOCK TABLE installation, discussions IN ACCESS EXCLUSIVE MODE"))
    try:
        yield
    finally:
        other.connection.driver_connection.rollback()
        other.close()
        other.engine.dispose()


@on_sqlite
def test_an_accepted_form_is_answered_no_sooner_than_any_address_takes(app, visitor):
    builders.publish()
    app.config["ANSWER_FLOOR"] = 0.3
    for path, fields in ((FORM, PERSON), ("/registrations/find", {"email": "a@example.org"})):
        _action, hidden = form_of(visitor.get(path).text)
        visitor.clock.advance(seconds=10)
        started = time.monotonic()
        assert visitor.client.post(path, data=hidden | fields).status_code == 303
        assert time.monotonic() - started >= 0.3
