"""Every word of every page is translatable: none is English in a language that marks its words."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, template_rendered
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from registration.database import writing
from registration.discussion_file import form_values
from registration.links import sign_mailings
from registration.models import Deed, Group, RegistrationStatus, Role
from registration.services import audit_log, catalog
from registration.services.attendees.exports import COLUMNS
from registration.services.mailings import mailings
from registration.services.mailings.mailings import Draft
from registration.services.registrations import self_service

from .. import builders
from ..desk import Desk, invite, signed_in
from ..machine import on_sqlite
from ..marked import NAMES, SU, untranslated_of_page
from ..visitor import Visitor, form_of

pytestmark = [on_sqlite, pytest.mark.usefixtures("marked")]

PATH = "/discussions/su"
DESK = f"/organizer{PATH}"
# Of columns, placeholders, questions and discussions: keys that are typed, whatever the language.
KEYS = " ".join(
    [
        *COLUMNS,
        *RegistrationStatus,
        "su kol city rules name title time page join_link en",
        "speaker moderator line choice choices yes",
    ]
)
CLOSED = b'registration = "closed"\n'
# The attendee in the preview of a draft.
EXAMPLE = "Aigerim"
# The mailbox of this machine quotes the headers of letters.
HEADERS = "From To Reply-To Date Message-ID Registration Mon Mar"
PERSON = "aigerim@example.org"


class Reader:
    """Opens pages, and collects their words that are not translated, by page."""

    def __init__(self, app: Flask) -> None:
        self.left_over: dict[str, list[str]] = {}
        self.seen: set[str] = set()
        self.templates = {name for name in app.jinja_env.list_templates() if name.endswith(".html")}

    def note(self, template: Any, **_context: Any) -> None:
        self.seen.add(template.name)

    def read(self, page: TestResponse, name: str = "") -> TestResponse:
        """Read a page; it must be one."""
        name = name or page.request.path
        assert page.content_type.startswith("text/html"), name
        assert page.status_code in {200, 404, 409, 422}, (name, page.status_code)
        text = re.sub("(?s)BEGIN:VCALENDAR.*END:VCALENDAR", "", page.text)
        found = untranslated_of_page(
            text, NAMES, KEYS, HEADERS * name.startswith("/letters/"), EXAMPLE
        )
        if found:
            self.left_over[f"{name} ({page.status_code})"] = found
        return page

    def unseen(self, *folders: str) -> set[str]:
        return {name for name in self.templates - self.seen if name.startswith(folders)}


@pytest.fixture
def reader(app: Flask) -> Iterator[Reader]:
    app.config["BOUND_TO_LOOPBACK"] = True
    reader = Reader(app)
    with template_rendered.connected_to(lambda _app, **said: reader.note(**said), app):
        yield reader


@pytest.fixture
def people(app: Flask) -> None:
    """Two discussions; one who has confirmed, one who has not, and some who wait."""
    builders.publish(SU)
    builders.publish(SU.replace(b'"su"', b'"kol"'))
    agreed = {"partner": "Зертхана", "what": ["name", "email", "affiliation"], "why": "Үшін."}
    answers = {"city": "Алматы", "rules": True}
    builders.register("su", answers=answers, shared_with=[agreed], affiliation="КазНУ",
                      zone="Europe/Riga", wants_follow_up=True)  # fmt: skip
    builders.deliver()
    builders.confirm(slug="su")
    for name in "bcde":
        builders.register_and_confirm(f"{name}@example.org", "su", name="Ғалия")
    builders.register("su", "f@example.org", name="Ғалия")
    builders.deliver()


def own(address: str = PERSON) -> str:
    return f"/registrations/{builders.attendee(address, 'su').token}"


def mailing(*, queued: bool = False) -> str:
    """Keep a letter to attendees, and return the path of its page."""
    with writing() as tx:
        discussion = catalog.find(tx, "su")
        made = mailings.save(
            tx, discussion, Draft("Қала", "Өзен {{ name }}", (Group.CONFIRMED,)), by=1
        )
        tx.flush()
        if queued:
            mailings.queue(tx, discussion, made.public_id, made.version, by=1)
        return f"{DESK}/mailings/{made.public_id}"


def withdraw(address: str) -> None:
    with writing() as tx:
        found, _discussion = self_service.by_token(tx, builders.attendee(address, "su").token)
        self_service.withdraw(tx, found)


def forms() -> list[str]:
    """Return the pages of two forms for one address, of which the first is confirmed."""
    for name in ("Жаңа", "Тағы"):
        builders.register("su", "forms@example.org", name=name)
    tokens = builders.link_tokens("forms@example.org", "su")
    builders.press(tokens[0])
    return [f"/registrations/{token}" for token in tokens]


def test_the_pages_of_everybody(app, clock, visitor: Visitor, reader: Reader, people):
    paths = ["/", PATH, f"{PATH}/register", f"{PATH}/registered", "/registrations/find", "/privacy",
             "/registrations/sent", "/registrations/erased", own(), own("b@example.org"),
             own("e@example.org"), own("f@example.org"), "/letters/"]  # fmt: skip
    for path in paths:
        reader.read(visitor.get(path))
    builders.register("su", "f@example.org", name="Ғалия")
    older, newer = builders.link_tokens("f@example.org", "su")
    reader.read(visitor.get(f"/registrations/{older}"), "an older form")
    builders.press(newer)
    reader.read(visitor.get(f"/registrations/{older}"), "a form that was passed over")
    reader.read(visitor.fill(f"{PATH}/register", name="", email="x", question_city="."), "wrong")
    reader.read(visitor.fill("/registrations/find", email="x y@example.org"), "wrong address")
    reader.read(visitor.fill(own(), "/change", name="", email="<x>"), "wrong change")
    (key, *_more) = [
        path.name for path in (app.extensions["settings"].mail.folder / "new").iterdir()
    ]
    reader.read(visitor.get(f"/letters/{key}"))
    withdraw("b@example.org")
    reader.read(visitor.get(own("b@example.org")))
    visitor.fill(own(), "/change", name="Айгерим", email="new@example.org")
    builders.deliver()
    text = builders.kept_letters(app)[-1].get_body(("plain",)).get_content()
    (new_address,) = re.findall(r"/registrations/address/\S+", text)
    attendee = builders.attendee(slug="su")
    stop = f"/registrations/mailings/{sign_mailings(attendee.public_id, attendee.token)}"
    for path in (new_address, stop, *forms()):
        reader.read(visitor.get(path))
    for changed in (SU.replace(b"seats = 3", b"seats = 1"), SU.replace(b"seats = 3", CLOSED)):
        builders.publish(changed)
        reader.read(visitor.get(PATH))
        reader.read(visitor.get(f"{PATH}/register"))
    builders.cancel("su", "Жоқ.")
    for path in ("/", PATH, f"{PATH}/register", own()):
        reader.read(visitor.get(path), f"{path} of a cancelled one")
    clock.advance(days=32)
    for path in ("/", PATH, f"{PATH}/register", own()):
        reader.read(visitor.get(path), f"{path} of a past one")
    reader.read(visitor.get("/nothing"))
    assert reader.left_over == {}, json.dumps(reader.left_over, ensure_ascii=False)
    assert reader.unseen("public/", "registrations/", "mailbox/") == set()


def test_the_pages_of_the_desk(app, clock, reader: Reader, people):
    desk = signed_in(app, clock)
    lab = signed_in(app, clock, "lab@example.org", Role.PARTNER, "su", partner="Зертхана")
    for address in (PERSON, "e@example.org", "f@example.org"):
        reader.read(
            desk.get(f"{DESK}/attendees/{builders.registration_of(address, 'su').public_id}")
        )
    draft, queued = mailing(), mailing(queued=True)
    below = ["", "/attendees", "/attendees/add", "/attendees/import", "/edit", "/export",
             "/mailings", "/mailings/new", "/cancel", "/restore", "/take-off",
             "/publish-again"]  # fmt: skip
    paths = ["/organizer/", "/organizer/new", "/organizer/password", "/organizer/sessions",
             "/organizer/failed-sign-ins", "/organizer/emergency",
             *(DESK + it for it in below),
             draft, f"{draft}/edit", f"{draft}/send", queued]  # fmt: skip
    for path in paths:
        reader.read(desk.get(path))
    for path in ("/organizer/", f"{DESK}/export"):
        reader.read(lab.get(path), f"{path} of a partner")
    note_every_deed()
    reader.read(desk.get("/organizer/log"))
    type_wrongly(desk, reader, draft)
    send_wrong_files(desk, reader)
    draft_wrongly(desk, reader)
    come_and_go(app, clock, reader)
    assert reader.left_over == {}, json.dumps(reader.left_over, ensure_ascii=False)
    assert reader.unseen("organizer/") == set()


def note_every_deed() -> None:
    details = {
        Deed.EXPORTED: "confirmed, waiting: name, email",
        Deed.QUEUED: "confirmed, absent",
        Deed.CHANGED: "title, time, quietly",
    }
    with writing() as tx:
        for deed in Deed:
            audit_log.note(tx, deed, by=1, slug="su", count=1, detail=details.get(deed))
        audit_log.note(tx, Deed.EXPORTED, by=1, slug="su", detail="partner: Зертхана")


def type_wrongly(desk: Desk, reader: Reader, draft: str) -> None:
    """Send each form of the desk with mistakes in it."""
    person = f"{DESK}/attendees/{builders.registration_of(PERSON, 'su').public_id}"
    wrong = {"email": "x", "name": "", "password": "", "again": "a", "new": "short", "code": "",
             "why": "", "subject": "", "text": "{{ x }}", "states": [], "columns": [],
             "separator": "x"}  # fmt: skip
    for path, action in (
        (f"{DESK}/attendees/add", None),
        (f"{DESK}/export", None),
        (f"{DESK}/cancel", None),
        (f"{DESK}/mailings/new", None),
        (f"{draft}/edit", None),
        (person, "/address"),
        (person, "/erase"),
        ("/organizer/password", None),
        ("/organizer/emergency", "/erase"),
        ("/organizer/emergency", "/sign-out"),
    ):
        answer = desk.fill(path, action, **wrong)
        assert answer.status_code in {409, 422}, (path, action, answer.status_code)
        reader.read(answer, f"wrong {path} {action}")
    for address in (PERSON, "f@example.org"):
        fields = {"name": "Ғалия", "email": address, "question_city": "Алматы"}
        reader.read(desk.fill(f"{DESK}/attendees/add", **fields), f"twice {address}")
    reader.read(desk.fill(person, "/address", email="b@example.org"), "an address of another")
    reader.read(desk.client.post(f"{draft}/discard"), "stale")


def send_wrong_files(desk: Desk, reader: Reader) -> None:
    """Import files that are wrong as a whole, in every cell, and one that is right."""
    path = f"{DESK}/attendees/import"
    cells = "\n,x,xx!,y,9,1700-01-01,2999-01-01,z,9,9\n\u202e,A@b@c,,,,,,,,\nӘ,b@example.org\n"
    columns = (
        "name,email,language,attended,registered_at,confirmed_at,withdrawn_at,status,city,rules"
    )
    for content in (
        "", "a", "name\n", "name,email\n", "name,email,name\n", "name,email,x\n", "\0",
        columns + cells, 'name,email\n"a', "name,email\nӘ,new@example.org\nӘ,new@example.org\n",
        "name,email\nӘ,new@example.org\nӘ,b@example.org\n",
    ):  # fmt: skip
        hidden = form_of(desk.get(path).text)[1] | {
            "sheet": FileStorage(io.BytesIO(content.encode()), "people.csv")
        }
        boundary, body = encode_multipart(hidden)
        kind = f"multipart/form-data; boundary={boundary}"
        answer = desk.client.post(path, data=body, content_type=kind)
        reader.read(answer, f"import of {content!r}")


def draft_wrongly(desk: Desk, reader: Reader) -> None:
    """Save a draft with a mistake in every field, and look at it; then one that is right."""
    path = f"{DESK}/edit"
    right = form_of(desk.get(path).text)[1]
    wrong = dict.fromkeys(form_values.LINES, "\u202e") | {
        "slug": "?", "title": "", "summary": "ө" * 501, "when": "span", "starts": "x", "zone": "x",
        "ends": "2026-04-02T17:00", "language": "x", "registration": "until", "until": "x",
        "seats": "0", "join_url": "x", "recording_url": "x", "reminders": "x",
        "contributors[1].role": "x", "contributors[1].url": "x", "questions[1].key": "Қала",
        "questions[1].options": "a", "questions[2].key": "name", "questions[2].kind": "line",
        "questions[2].options": "a;b", "sharing[1].what": [],
    }  # fmt: skip
    drafts: list[dict[str, Any]] = [{"title": "Өзен"}, wrong, wrong | {"when": "day", "date": "x"}]
    for number, typed in enumerate(drafts):
        answer = desk.client.post(path, data=form_of(desk.get(path).text)[1] | typed)
        assert answer.status_code in {303, 422}, (number, answer.status_code)
        if answer.status_code == 422:
            reader.read(answer, f"draft {number}")
        for below in ("edit", "review"):
            reader.read(desk.get(f"{DESK}/{below}"), f"{below} of draft {number}")
    opened_before = desk.client.post(path, data=right | {"title": "Көл", "summary": "Жоқ"})
    assert opened_before.status_code == 409
    reader.read(opened_before, "clash")
    for slug in ("su", "?"):
        reader.read(desk.client.post("/organizer/new", data=right | {"slug": slug}), f"new {slug}")


def come_and_go(app: Flask, clock: Any, reader: Reader) -> None:
    """Accept an invitation, sign in and out; all of it wrongly first."""
    stranger = Desk(app, clock, "new@example.org")
    token = invite("new@example.org")
    path = f"/organizer/invitation/{token}"
    reader.read(stranger.get(path), "invitation")
    for password in ("short", "password", "password1234567", "new@example.org new@example.org"):
        fields = {"password": password, "again": password, "code": "0"}
        reader.read(stranger.fill(path, **fields), f"invitation {password}")
    reader.read(stranger.accept(token), "recovery codes")
    reader.read(stranger.get("/organizer/sign-in"))
    reader.read(stranger.sign_in(password="wrong"), "wrong sign-in")
    # Signed in, out again elsewhere, and the form is sent.
    assert stranger.sign_in().status_code == 303
    _target, hidden = form_of(stranger.get(f"{DESK}/cancel").text)
    clock.advance(days=1)
    late = stranger.client.post(f"{DESK}/cancel", data=hidden | {"why": "Жоқ."})
    reader.read(late, "signed out")
