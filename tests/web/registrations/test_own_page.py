"""The attendee's own page: see, change, confirm, withdraw, erase, download; links and tokens."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from icalendar import Calendar

from registration.database import reading, writing
from registration.links import sign_mailings, sign_new_address
from registration.models import Registration, address_index
from registration.services.registrations import self_service

from ... import builders
from ...desk import invite
from ...machine import on_sqlite
from ...visitor import form_of, text_of

NEW = "new@example.org"


@pytest.fixture
def own(app) -> str:
    """The path of Aigerim's own page; she is confirmed."""
    builders.publish(builders.with_questions('join_url = "https://meet.example.org/x"'))
    answers = {"city": "Almaty", "seat": "Back", "rules": True, "topics": ["Law"]}
    typed = {"affiliation": "Institute", "answers": answers, "shared_with": [builders.AGREED]}
    return f"/registrations/{builders.register_and_confirm(**typed).token}"


def change_link(app) -> str:
    """Return the path in the newest letter that asks a new address to confirm itself."""
    builders.deliver()
    (letter,) = [it for it in builders.kept_letters(app) if it["To"] == NEW]
    lines = letter.get_body(("plain",)).get_content().splitlines()
    (link,) = [line for line in lines if "/registrations/address/" in line]
    return link.partition("127.0.0.1:8000")[2]


def test_confirm_withdraw_and_come_back(app, visitor):
    builders.publish()
    builders.register()
    own = f"/registrations/{builders.attendee().token}"
    states = [text_of(visitor.get(own).text)]
    for act in ("confirm", "withdraw"):
        builders.deliver()
        answer = visitor.press(own, act)
        assert (answer.status_code, answer.location) == (303, own)
        states.append(text_of(visitor.get(own).text))
    visitor.fill("/discussions/water/register", name="A", email="aigerim@example.org")
    newer = f"/registrations/{builders.link_tokens()[-1]}"
    states += [text_of(visitor.get(own).text), text_of(visitor.get(newer).text)]
    words = ("Not confirmed yet", "You are registered", *["You have withdrawn"] * 2)
    words += ("Not confirmed yet",)
    assert [word in state for word, state in zip(words, states, strict=True)] == [True] * 5
    assert "A form was sent to register this address again." in states[3]
    kinds = ["address_confirmation", "confirmation", "withdrawal", "address_confirmation"]
    assert builders.letter_kinds() == kinds


@on_sqlite
def test_the_download_holds_everything(app, visitor, own):
    answer = visitor.get(f"{own}.json")
    registration = builders.registration_of()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="registration.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    held = json.loads(answer.data)
    more = ("letters", "seated_at", "seat_held_until", "place", "calendar_sequence")
    assert {name: value for name, value in held.items() if name not in more} == {
        "discussion": "Who owns the water?",
        "status": "confirmed",
        "name": "Айгерим",
        "email": "aigerim@example.org",
        "new_email": None,
        "affiliation": "Institute",
        "answers": {"city": "Almaty", "seat": "Back", "rules": True, "topics": ["Law"]},
        "shared_with": [builders.AGREED],
        "language": "en",
        "zone": None,
        "wants_follow_up": False,
        "mailings_stopped_at": None,
        "registered_at": registration.registered_at.isoformat(),
        "confirmed_at": registration.confirmed_at.isoformat(),
        "address_proved_at": registration.confirmed_at.isoformat(),
        "withdrawn_at": None,
        "attended_at": None,
        "answers_erased_at": None,
        "other_forms": [],
        "erased_at_the_latest": registration.erase_at.isoformat(),
    }


@on_sqlite
def test_an_attendee_marked_as_attended_is_told_so(app, visitor, own):
    assert "Marked as attended" not in visitor.get(own).text
    with writing() as tx:
        tx.query(Registration).update({"attended_at": datetime(2026, 4, 2, 14, tzinfo=UTC)})
    assert "Marked as attended 2 April 2026" in spaced(visitor.get(own).text)
    assert "whether you were marked as attended" in visitor.get("/privacy").text


def spaced(page: str) -> str:
    return text_of(page.replace("</dt>", " </dt>"))


@on_sqlite
def test_a_change_is_kept_and_unticked_consents_are_given_up(app, visitor, own):
    target, values = form_of(visitor.get(own).text, "/change")
    assert values.pop("sharing_0") == "y"
    typed = {"name": "Aigerim K.", "question_seat": "Front", "question_topics": []}
    answer = visitor.client.post(target, data=values | typed)
    assert (answer.status_code, answer.location) == (303, own)
    held = builders.attendee()
    assert (held.name, held.affiliation, held.shared_with) == ("Aigerim K.", "Institute", [])
    assert held.answers == {"city": "Almaty", "seat": "Front", "rules": True}
    assert len(builders.letter_kinds()) == 2, "no letter is sent for it"


@on_sqlite
def test_an_answer_to_an_optional_choice_can_be_taken_back(app, visitor):
    choice = '[[questions]]\nkey = "seat"\nlabel = "Seat?"\nkind = "choice"\noptions = ["A", "B"]\n'
    builders.publish(builders.file() + b"\n" + choice.encode())
    own = f"/registrations/{builders.register_and_confirm(answers={'seat': 'B'}).token}"
    assert "No answer" in visitor.get(own).text
    for chosen, answers in (({"question_seat": "A"}, {"seat": "A"}), ({"question_seat": ""}, {})):
        visitor.fill(own, "/change", **chosen)
        assert builders.attendee().answers == answers


@on_sqlite
@pytest.mark.parametrize("kind", ["line", "long", "choice", "choices", "yes"])
def test_an_answer_outlives_a_question_that_has_changed_its_kind(app, visitor, kind):
    builders.publish()
    options = 'options = ["Law", "Rivers"]' if kind.startswith("choice") else ""
    question = f'\n[[questions]]\nkey = "q"\nlabel = "Q?"\nkind = "{kind}"\n{options}\n'
    for number, held in enumerate(("Law", ["Law", "Lakes"], True)):
        builders.publish()
        person = builders.register_and_confirm(f"a{number}@example.org", answers={"q": held})
        builders.publish(builders.file() + question.encode())
        own = f"/registrations/{person.token}"
        assert visitor.get(own).status_code == 200
        assert visitor.fill(own, "/change", name="B", question_q="Law").status_code == 303
        assert visitor.get(own).status_code == 200


@on_sqlite
def test_a_refused_change_keeps_what_was_typed_and_changes_nothing(app, visitor, own):
    before = builders.registration_of().sealed
    page = visitor.fill(own, "/change", name="x" * 201, question_city="Aral")
    assert page.status_code == 422
    shown = form_of(page.text, "/change")[1]
    assert (shown["name"], shown["question_city"]) == ("x" * 201, "Aral")
    assert "<details open>" in page.text
    assert builders.registration_of().sealed == before


@on_sqlite
@pytest.mark.parametrize("act", ["confirm", "withdraw", "erase", "change"])
def test_a_stale_button_does_nothing_and_says_so(app, visitor, own, act):
    before = builders.every_row()
    app.config["WTF_CSRF_TIME_LIMIT"] = -1
    page = visitor.client.post(f"{own}/{act}", data={"csrf_token": "x", "name": "B"})
    assert page.status_code == 422
    assert "your browser sent no cookie" in text_of(page.text)
    assert builders.every_row() == before


def test_erase_leaves_nothing_and_the_link_is_as_if_it_never_was(app, visitor, own):
    builders.deliver()
    never = visitor.get("/registrations/never").data
    answer = visitor.press(own, "erase")
    assert (answer.status_code, answer.location) == (303, "/registrations/erased")
    assert "Everything that was held" in text_of(visitor.get(answer.location).text)
    with reading() as tx:
        assert tx.query(Registration).count() == 0
    assert (builders.letter_kinds(), builders.kept_letters(app)) == ([], [])
    assert visitor.get(own).data == never
    assert visitor.client.post(f"{own}/erase").data == never
    assert builders.deliver() == 0


def test_a_new_address_counts_from_its_own_confirmation(app, visitor, own):
    visitor.fill(own, "/change", email=NEW, question_rules="y", question_seat="Back")
    assert builders.attendee().new_address == NEW
    page = visitor.get(own)
    assert f"New e-mail {NEW}, once it is confirmed" in text_of(page.text)
    link = change_link(app)
    assert visitor.get(link).status_code == 200
    assert builders.attendee().address == "aigerim@example.org", "a GET changes nothing"
    answer = visitor.fill(link)
    held = builders.attendee(NEW)
    assert answer.location == f"/registrations/{held.token}" != own
    assert (held.address, held.new_address, held.name) == (NEW, "", "Айгерим")
    visitor.clock.advance(minutes=1)
    builders.deliver()
    last = builders.kept_letters(app)[-1]
    assert (last["To"], "You are registered" in last["Subject"]) == (NEW, True)
    for again in (visitor.get(link), visitor.client.post(link)):
        assert (again.status_code, again.data) == (404, visitor.get("/registrations/never").data)
    builders.register(address="aigerim@example.org")
    assert builders.registration_of().status.value == "unconfirmed", "the old address is free again"


def test_a_clash_of_addresses_is_never_shown(app, visitor, own):
    builders.register_and_confirm(NEW)
    free = visitor.fill(own, "/change", email="free@example.org")
    shown = text_of(visitor.get(own).text).replace("free@", "new@")
    taken = visitor.fill(own, "/change", email=NEW)
    assert (taken.status, taken.headers["Location"], taken.data) == (
        free.status,
        free.headers["Location"],
        free.data,
    )
    assert text_of(visitor.get(own).text) == shown
    assert builders.letter_kinds()[-2:] == ["address_change", "already_registered"]
    assert builders.attendee(NEW).name == "Айгерим"
    assert builders.attendee().new_address == NEW


def test_a_clash_that_comes_later_makes_the_link_useless(app, visitor, own):
    visitor.fill(own, "/change", email=NEW)
    link = change_link(app)
    _action, hidden = form_of(visitor.get(link).text)
    builders.register_and_confirm(NEW)
    assert visitor.client.post(link, data=hidden).status_code == 404
    assert builders.attendee().address == "aigerim@example.org"
    assert builders.attendee(NEW).new_address == ""


@on_sqlite
def test_a_link_to_an_address_that_is_wanted_no_more_is_useless(app, visitor, own):
    visitor.fill(own, "/change", email=NEW)
    link = change_link(app)
    visitor.fill(own, "/change", email="aigerim@example.org")
    assert visitor.get(link).status_code == 404
    visitor.fill(own, "/change", email=NEW)
    assert visitor.get(link).status_code == 200
    visitor.press(own, "withdraw")
    assert visitor.get(link).status_code == 404


@on_sqlite
def test_a_forged_link_to_a_new_address_is_useless(app, visitor, own):
    visitor.fill(own, "/change", email=NEW)
    link = change_link(app)
    never = visitor.get("/registrations/never").data
    registration = builders.registration_of()
    address = builders.entry("mallory@example.org").address
    index = address_index(builders.ring(), "uid", address)
    forged = [
        # Some bits of the last letter mean nothing.
        link[:-2] + ("A" if link[-2] != "A" else "B") + link[-1],
        link + "x",
        link[:-20],
        "/registrations/address/" + sign_new_address("guessed", registration.public_id, index),
        "/registrations/address/" + "x" * 5000,
        "/registrations/address/%00.%FF.é",
        "/registrations/address/.eJw.x",
    ]
    for path in forged:
        assert visitor.get(path).data == never
        assert visitor.client.post(path).data == never


@on_sqlite
def test_every_wrong_token_gets_the_same_answer(app, visitor, own):
    token = own.rpartition("/")[2]
    never = visitor.get("/registrations/never")
    assert never.status_code == 404
    wrong = [token[:-1], token + "A", token.swapcase(), token.replace(token[0], "é"), "x" * 20_000]
    wrong += ["%00", "%FF", "%F0%9F%A6%8A", "..", "'--", "{{7*7}}", "%0d%0aX:y", " ", "null", "0"]
    wrong += [builders.attendee().calendar_token, builders.registration_of().public_id]
    places = ["{}", "{}.json", "{}/cancellation.ics", "calendar/{}.ics", "address/{}"]
    for path in (place.format(token) for place in places for token in wrong):
        answer = visitor.get(f"/registrations/{path}")
        if path.startswith("calendar/" + builders.attendee().calendar_token):
            continue
        assert (answer.status, sorted(answer.headers), answer.data) == (
            never.status,
            sorted(never.headers),
            never.data,
        )
    for act in ("confirm", "withdraw", "erase", "change"):
        assert visitor.client.post(f"/registrations/{token[:-1]}/{act}").data == never.data


@on_sqlite
def test_the_calendar_token_reads_the_calendar_and_nothing_else(app, visitor, own):
    held = builders.attendee()
    path = f"/registrations/calendar/{held.calendar_token}.ics"
    answer = visitor.get(path)
    (event,) = Calendar.from_ical(answer.data).events
    assert event["LOCATION"] == "https://meet.example.org/x"
    for secret in (held.token, held.calendar_token, held.name, held.address, "ATTENDEE"):
        assert secret not in answer.text
    for other in ("", ".json", "/cancellation.ics"):
        assert visitor.get(f"/registrations/{held.calendar_token}{other}").status_code == 404
    assert visitor.get(f"/registrations/calendar/{held.token}.ics").status_code == 404
    visitor.press(own, "withdraw")
    assert visitor.get(path).status_code == 410
    visitor.press(own, "erase")
    assert visitor.get(path).status_code == 404


@on_sqlite
def test_a_waiting_or_unconfirmed_attendee_has_no_calendar_and_no_join_link(app, visitor):
    builders.publish(builders.file('seats = 1\njoin_url = "https://meet.example.org/x"'))
    builders.register_and_confirm("first@example.org")
    builders.register()
    for _state in ("unconfirmed", "waiting"):
        held = builders.attendee()
        page = visitor.get(f"/registrations/{held.token}").text
        assert "meet.example.org" not in page
        assert held.calendar_token not in page
        assert visitor.get(f"/registrations/calendar/{held.calendar_token}.ics").status_code == 404
        builders.confirm()
    assert "You are number 1 on the waiting list." in text_of(page)


@on_sqlite
def test_the_cancellation_for_ones_calendar_outranks_the_invitation(app, visitor, own):
    builders.deliver()
    invitation = builders.kept_letters(app)[-1]
    (part,) = invitation.iter_attachments()
    answer = visitor.get(f"{own}/cancellation.ics")
    both = [Calendar.from_ical(part.get_content()), Calendar.from_ical(answer.data)]
    assert [str(it["METHOD"]) for it in both] == ["REQUEST", "CANCEL"]
    (asked, cancelled) = (it.events[0] for it in both)
    assert asked["UID"] == cancelled["UID"]
    assert asked["SEQUENCE"] < cancelled["SEQUENCE"]  # type: ignore[operator]


@on_sqlite
def test_personal_pages_are_kept_by_nobody_and_tell_no_other_site(app, visitor, own):
    for path in (own, f"{own}.json", f"{own}/cancellation.ics", "/registrations/find"):
        headers = visitor.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_no_get_changes_anything(app, visitor, own):
    app.config["BOUND_TO_LOOPBACK"] = True
    held = builders.attendee()
    visitor.fill(own, "/change", email=NEW)
    link = change_link(app)
    builders.register(address="unconfirmed@example.org")
    invitation = invite()
    before = [builders.every_row()]
    for _ in range(2):
        for path in every_get(app, link, held.token, held.calendar_token, invitation):
            # The page of an invitation counts how often it was opened (organizer/test_invitation).
            changes = f"/invitation/{invitation}" in path
            for method in ("HEAD", "OPTIONS") if changes else ("GET", "HEAD", "OPTIONS"):
                with visitor.client.open(path, method=method) as answer:
                    assert answer.status_code in {200, 302, 303}, path
        before.append(builders.every_row())
    assert all(first == second for first, second in pairwise(before))


def every_get(app, link: str, token: str, calendar_token: str, invitation: str) -> list[str]:
    """Return an address for every route that takes a GET, with what opens it."""
    letters = (app.extensions["settings"].mail.folder / "new").iterdir()
    (key,) = [letter.name for letter in letters if b"text/calendar" in letter.read_bytes()]
    opens = {"slug": "water", "token": token, "signed": link.rpartition("/")[2], "key": key}
    public_id = builders.registration_of().public_id
    opens |= {"number": 0, "filename": "icon.svg", "mailing": "0", "public_id": public_id}
    stop = sign_mailings(public_id, token)
    routes = [rule for rule in app.url_map.iter_rules() if "GET" in rule.methods]
    assert len(routes) > 20
    paths = []
    with app.test_request_context():
        for rule in routes:
            known = dict(opens)
            if rule.endpoint == "own_page.calendar":
                known["token"] = calendar_token
            if rule.endpoint == "unsubscribe.mailings":
                known["signed"] = stop
            if rule.endpoint == "organizer.invitation.invitation":
                known["token"] = invitation
            paths.append(app.url_for(rule.endpoint, **{it: known[it] for it in rule.arguments}))
    return [path.removeprefix("http://127.0.0.1:8000") for path in paths]


@on_sqlite
def test_only_an_active_registration_can_be_changed(app, visitor):
    builders.publish()
    builders.register()
    token = builders.attendee().token
    before = builders.every_row()
    with writing() as tx:
        self_service.change(tx, token, builders.entry("new@example.org", "Eve"))
    assert builders.every_row() == before


@on_sqlite
def test_the_download_names_every_column_that_says_something_of_the_attendee(app, visitor):
    builders.publish()
    person = builders.register_and_confirm()
    builders.deliver()
    held = visitor.get(f"/registrations/{person.token}.json").get_json()
    assert [letter["kind"] for letter in held["letters"]] == [
        "address_confirmation",
        "confirmation",
    ]
    columns = set(Registration.__table__.columns.keys())
    # Keys and numbers of the service's own, what is sealed (told by name), and what is not used.
    inner = {
        *("id", "public_id", "discussion_id", "sealed", "key_id", "address_index", "token_hash"),
        *("calendar_token_hash", "told_revision", "erase_at"),
        "queue_position",  # counts others; `place` is what is told
    }
    assert columns - inner <= held.keys()
    assert held["erased_at_the_latest"] == builders.registration_of().erase_at.isoformat()


@on_sqlite
def test_nobody_can_use_up_the_letters_that_an_address_gets_when_it_registers(app, visitor):
    builders.publish()
    eve = builders.register_and_confirm("eve@example.org")
    for _time in range(5):
        for address in ("aigerim@example.org", "eve@example.org"):
            with writing() as tx:
                self_service.change(tx, eve.token, builders.entry(address))
    builders.register()
    builders.deliver()
    letters = [letter["To"] for letter in builders.kept_letters(app)]
    assert "aigerim@example.org" in letters


@on_sqlite
def test_a_new_address_gets_new_links_and_the_old_ones_end(app, visitor):
    builders.publish()
    old = builders.register_and_confirm("old@example.org")
    with writing() as tx:
        self_service.change(tx, old.token, builders.entry("new@example.org"))
    builders.deliver()
    letter = next(one for one in builders.kept_letters(app) if one["To"] == "new@example.org")
    link = letter.get_body(("plain",)).get_content().split("button there:")[1].split()[0]
    path = link.removeprefix("http://127.0.0.1:8000")
    assert "Who owns the water?" in text_of(visitor.get(path).text)
    assert visitor.fill(path).status_code == 303
    new = builders.attendee("new@example.org")
    assert {new.token, new.calendar_token} & {old.token, old.calendar_token} == set()
    assert visitor.get(f"/registrations/{old.token}").status_code == 404
    assert visitor.get(f"/registrations/calendar/{old.calendar_token}.ics").status_code == 404
    assert visitor.get(f"/registrations/{new.token}").status_code == 200


@on_sqlite
def test_confirming_and_withdrawing_without_end_sends_no_letters_without_end(app, visitor):
    builders.publish()
    builders.register_and_confirm()
    for _time in range(10):
        token = builders.attendee().token
        with writing() as tx:
            registration, _discussion = self_service.by_token(tx, token)
            self_service.withdraw(tx, registration)
        builders.register()
        if len(builders.link_tokens()) > 1:
            builders.confirm()
        builders.deliver()
    assert len(builders.kept_letters(app)) <= 3 + 6


@on_sqlite
def test_a_consent_covers_only_the_agreed_data(app, visitor):
    asked = '\n[[sharing]]\npartner = "PaperLab"\nwhat = ["name"]\nwhy = "To write to you."\n'
    builders.publish(builders.file() + asked.encode())
    visitor.fill("/discussions/water/register", name="A", email="a@example.org", sharing_0="y")
    person = builders.confirm("a@example.org")
    page = visitor.get(f"/registrations/{person.token}").text
    assert "name with PaperLab" in text_of(page)
    assert form_of(page, "/change")[1]["sharing_0"] == "y"
    builders.publish(builders.file() + asked.replace('["name"]', '["name", "email"]').encode())
    page = visitor.get(f"/registrations/{person.token}").text
    assert "name with PaperLab" in text_of(page)
    assert "sharing_0" not in form_of(page, "/change")[1]


@on_sqlite
def test_withdrawn_attendees_can_still_take_the_entry_out_of_the_calendar(app, visitor, own):
    builders.deliver()
    visitor.press(own, "withdraw")
    page = visitor.get(own).text
    assert "If your calendar has its entry, the file takes it out." in text_of(page)
    (event,) = Calendar.from_ical(visitor.get(f"{own}/cancellation.ics").data).events
    assert event["SEQUENCE"] == 2


@on_sqlite
@pytest.mark.parametrize("seats", [2, 1])
def test_no_return_is_promised_where_the_form_is_closed(app, visitor, seats):
    builders.publish(builders.file(f"seats = {seats}"))
    builders.register_and_confirm("first@example.org")
    own = f"/registrations/{builders.register_and_confirm().token}"
    assert "You can register again" in text_of(visitor.get(own).text)
    builders.publish(builders.file(f'seats = {seats}\nregistration = "closed"'))
    assert "You can register again" not in text_of(visitor.get(own).text)
