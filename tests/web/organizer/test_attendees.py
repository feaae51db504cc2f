"""The table of attendees: searched, filtered, sorted, by pages; marks; and one added by hand."""

import pytest
from sqlalchemy import select

from registration.database import reading
from registration.models import AuditEntry, Deed, Organizer, Registration, Role
from registration.services.attendees import table

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite
from ...visitor import text_of, tree_of

TABLE = "/organizer/discussions/water/attendees"
OPEN = "address_confirmation = false"


def names(page: str) -> list[str]:
    """Return the names in the table, in order."""
    links = [it for it in tree_of(page).iter("a") if "/attendees/" in (it.get("href") or "")]
    return ["".join(it.itertext()) for it in links if len(it.get("href").split("/")[-1]) == 32]


def links(page: str) -> dict[str, str]:
    return {
        text_of(f"<body>{''.join(it.itertext())}"): it.get("href") for it in tree_of(page).iter("a")
    }


@pytest.fixture
def people(app, clock):
    """Four, a minute after each other: the last one waits, the second has withdrawn."""
    builders.publish(builders.file(f"{OPEN}\nseats = 2"))
    for name, affiliation in (
        ("Өмір", "KazNU"),
        ("dina", "Almaty Fund"),
        ("Berik", "+7 701"),
        ("Ерлан", "kaznu"),
    ):
        clock.advance(minutes=1)
        address = f"p{name.encode().hex()[:8]}@example.org"
        builders.register(address=address, name=name, affiliation=affiliation)
        if name == "dina":
            person = builders.attendee(address)
    from registration.database import writing
    from registration.services.registrations import self_service

    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, person.token)
        self_service.withdraw(tx, registration)


def test_the_table_sorts_by_arrival_name_and_address_both_ways(app, clock, people):
    asel = signed_in(app, clock)
    page = asel.get(TABLE).text
    assert names(page) == ["Ерлан", "Berik", "dina", "Өмір"]
    to = links(page)
    assert names(asel.get(to["Registered (UTC)"]).text) == ["Өмір", "dina", "Berik", "Ерлан"]
    assert names(asel.get(to["Name"]).text) == ["Berik", "dina", "Ерлан", "Өмір"]
    assert len(names(asel.get(to["E-mail"]).text)) == 4


def test_it_is_filtered_by_where_people_stand(app, clock, people):
    asel = signed_in(app, clock)
    to = links(asel.get(TABLE).text)
    shown = {words: names(asel.get(href).text) for words, href in to.items() if "who=" in href}
    assert shown == {
        "Confirmed (2)": ["Berik", "Өмір"],
        "Waiting (1)": ["Ерлан"],
        "Not confirmed yet (0)": [],
        "Withdrawn (1)": ["dina"],
        "Attended": [],
        "A letter failed": [],
    }


def test_every_word_is_searched_in_name_address_and_affiliation_whatever_its_case(
    app, clock, people
):
    asel = signed_in(app, clock)
    for words, found in {
        "KAZNU": ["Ерлан", "Өмір"],
        "өмір kaznu": ["Өмір"],
        "+7 701": ["Berik"],
        "EXAMPLE.ORG": ["Ерлан", "Berik", "dina", "Өмір"],
        'a"b\\': [],
        "public_id": [],
    }.items():
        answer = asel.fill(TABLE, TABLE, search=words)
        assert answer.status_code == 303
        assert names(asel.get(answer.location).text) == found, words


@on_sqlite
def test_search_words_are_in_no_url_and_survive_sorting(app, clock, people):
    asel = signed_in(app, clock)
    found = asel.fill(TABLE, TABLE, search="kaznu").location
    page = asel.get(found).text
    assert "kaznu" not in found
    assert 'value="kaznu"' in page
    assert "kaznu" not in "".join(links(page).values())
    assert names(asel.get(links(page)["Name"]).text) == ["Ерлан", "Өмір"]
    assert names(asel.get(links(page)["Show all again"]).text) == ["Ерлан", "Berik", "dina", "Өмір"]
    # A forged value searches for nothing.
    for odd in ("kaznu", "%00", "a" * 3000):
        assert len(names(asel.get(f"{TABLE}?search={odd}&page=-3&who=x&order=%FF").text)) == 4
    assert asel.fill(TABLE, TABLE, search="a" * 201).status_code == 422


@on_sqlite
def test_nothing_that_is_sealed_at_rest_opens_through_an_address(app, clock, people):
    asel = signed_in(app, clock)
    builders.publish(builders.file('slug = "other"'))
    with reading() as tx:
        held = [
            sealed.decode()
            for column in (Registration.sealed, Organizer.sealed)
            for sealed in tx.scalars(select(column))
        ]
    found = asel.fill(TABLE, TABLE, search="kaznu").location.partition("search=")[2]
    for sealed in held:
        page = asel.get(f"{TABLE}?search={sealed}")
        assert len(names(page.text)) == 4
        assert "public_id" not in page.text
    # Nor a search of another discussion.
    assert "kaznu" not in asel.get(f"{TABLE.replace('water', 'other')}?search={found}").text


@on_sqlite
def test_pages_are_turned_and_one_too_far_is_the_last(app, clock, people, monkeypatch):
    monkeypatch.setattr(table, "ATTENDEES_A_PAGE", 3)
    asel = signed_in(app, clock)
    page = asel.get(TABLE).text
    assert "4 people. Page 1 of 2." in text_of(page)
    assert names(asel.get(links(page)["Next"]).text) == ["Өмір"]
    assert names(asel.get(f"{TABLE}?page=99&order=name").text) == ["Өмір"]


def test_attendance_is_marked_and_unmarked_and_the_log_names_nobody(app, clock, people):
    asel = signed_in(app, clock)
    mine = [
        builders.registration_of(f"p{name.encode().hex()[:8]}@example.org")
        for name in ("Өмір", "Berik")
    ]
    chosen = [registration.public_id for registration in mine]
    asel.fill(TABLE, "mark", chosen=[*chosen, "0" * 32], attended="yes")
    assert names(asel.get(f"{TABLE}?who=attended").text) == ["Berik", "Өмір"]
    asel.fill(TABLE, "mark", chosen=chosen[:1], attended="no")
    assert names(asel.get(f"{TABLE}?who=attended").text) == ["Berik"]
    with reading() as tx:
        entries = tx.query(AuditEntry).filter(AuditEntry.slug == "water").all()
    assert [(it.deed, it.count, it.detail) for it in entries] == [
        (Deed.MARKED_ATTENDED, 2, None),
        (Deed.MARKED_ABSENT, 1, None),
    ]


@on_sqlite
def test_a_stale_page_keeps_its_ticks_and_odd_ids_mark_nobody(app, clock, people):
    asel = signed_in(app, clock)
    public_id = builders.registration_of(f"p{b'Berik'.hex()[:8]}@example.org").public_id
    stale = asel.fill(TABLE, "mark", chosen=public_id, attended="yes", csrf_token="x")
    assert stale.status_code == 422
    assert "press the button once more" in text_of(stale.text)
    assert f'value="{public_id}" checked' in stale.text


def test_an_impossible_id_marks_nobody(app, clock, people):
    asel = signed_in(app, clock)
    odd = ["\0", "x" * 5000, "%00", "Ә"]
    assert asel.fill(TABLE, "mark", chosen=odd, attended="yes").status_code == 303
    assert asel.get("/organizer/log?before=99999999999999999999").status_code == 200
    assert asel.get("/organizer/log?before=-9").status_code == 200


@on_sqlite
def test_signing_in_anew_leads_back_to_the_search(app, clock, people):
    asel = signed_in(app, clock)
    found = asel.fill(TABLE, TABLE, search="Ұлан 7").location
    wanted = f"{found}&who=letter+failed"
    clock.advance(minutes=61)
    asked = asel.get(wanted)
    assert asked.status_code == 303
    assert asel.sign_in(asked.location).location == wanted


@on_sqlite
def test_a_new_address_that_is_not_confirmed_yet_is_found_too(app, clock):
    builders.publish()
    builders.register_and_confirm()
    asel = signed_in(app, clock)
    page = f"{TABLE}/{builders.registration_of().public_id}"
    asel.fill(page, "address", email="pending@example.org")
    found = asel.fill(TABLE, TABLE, search="pending").location
    assert names(asel.get(found).text) == ["Айгерим"]


def test_somebody_is_added_by_hand_also_where_the_form_is_closed(app, clock):
    builders.publish(builders.with_questions('registration = "closed"'))
    asel = signed_in(app, clock)
    page = asel.get(f"{TABLE}/add").text
    assert "PaperLab" not in page  # nobody agrees to sharing for another
    answer = asel.fill(f"{TABLE}/add", name="Айгерим", email="aigerim@example.org")
    assert answer.status_code == 303
    assert "not confirmed yet" in asel.get(answer.location).text
    assert builders.letter_kinds() == ["address_confirmation"]
    again = asel.fill(f"{TABLE}/add", name="Another", email="aigerim@example.org")
    assert "and not confirmed yet: send its letter again." in text_of(again.text)
    builders.confirm()
    again = asel.fill(f"{TABLE}/add", name="Another", email="Aigerim@Example.ORG")
    assert again.status_code == 409
    assert "This address is registered already." in text_of(again.text)
    assert 'value="Another"' in again.text
    assert builders.attendee().name == "Айгерим"


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "email": "a@example.org"}, "Write a name"),
        ({"name": "A", "email": "nobody"}, "has one @ sign"),
        ({"name": "A\u202eB", "email": "a@example.org"}, "cannot be shown (U+202E)"),
        ({"name": "A", "email": "a@example.org", "csrf_token": "x"}, "press the button once more"),
    ],
)
def test_a_refused_attendee_is_kept_on_the_form(app, clock, fields, said):
    builders.publish()
    page = signed_in(app, clock).fill(f"{TABLE}/add", **fields)
    assert page.status_code == 422
    assert said in text_of(page.text)
    assert f'value="{fields["email"]}"' in page.text


@on_sqlite
def test_adding_respects_cancellations_and_the_daily_limit_of_letters(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    for number in range(3):
        asel.fill(f"{TABLE}/add", name="A", email=f"a+{number}@example.org")
    page = asel.fill(f"{TABLE}/add", name="A", email="a+3@example.org")
    assert "that is all it gets" in text_of(page.text)
    builders.cancel()
    page = asel.fill(f"{TABLE}/add", name="B", email="b@example.org")
    assert "The discussion is off or over" in text_of(page.text)


@on_sqlite
@pytest.mark.parametrize("path", ["", "/add", "/import"])
def test_others_and_partners_have_no_table(app, clock, path):
    builders.publish_first()
    builders.publish(builders.with_questions())
    somebody = signed_in(app, clock, "b@example.org", Role.ORGANIZER, "bloody-january")
    lab = signed_in(app, clock, "lab@example.org", Role.PARTNER, "water", partner="PaperLab")
    for desk in (somebody, lab):
        missing = desk.get("/organizer/never")
        assert missing.status_code == 404
        assert desk.get(TABLE + path).data == missing.data
        token = {"csrf_token": desk_token(desk)}
        assert desk.client.post(TABLE + path, data=token | {"search": "a"}).data == missing.data


def desk_token(desk) -> str:
    from ...visitor import form_of

    return form_of(desk.get("/organizer/").text, "sign-out")[1]["csrf_token"]
