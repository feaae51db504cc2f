"""The public pages: true at every moment, complete, safe with any text, and light."""

import urllib.robotparser

import pytest

from ... import builders
from ...calendars import rfc5545
from ...machine import on_sqlite
from ...visitor import text_of, tree_of


def head_of(page: str) -> dict[str, list[str]]:
    """Return what the head of a page states, by rel, property or name."""
    found: dict[str, list[str]] = {}
    for link in tree_of(page).iter("link"):
        found.setdefault(link.get("rel"), []).append(link.get("href"))
    for meta in tree_of(page).iter("meta"):
        name = meta.get("property") or meta.get("name")
        found.setdefault(name, []).append(meta.get("content"))
    return found


def feed_of(visitor) -> list[str]:
    return [
        item["SUMMARY"].text for item in rfc5545.read(visitor.get("/discussions.ics").data).events
    ]


def page_text(visitor, slug: str = "water") -> str:
    return text_of(visitor.get(f"/discussions/{slug}").text)


@on_sqlite
def test_the_page_of_the_first_discussion_says_everything(app, visitor):
    first = builders.publish_first()
    content, said = first.content, page_text(visitor, "bloody-january")
    assert content.title in said
    assert content.subtitle in said
    assert "Thursday, 7 December 2023" in said
    for block in content.description.split("\n\n"):
        assert " ".join(block.split()) in said
    for person in content.contributors:
        assert person.name in said
        assert f"{person.position}, {person.organization}" in said
        assert person.biography in said
    assert "Co-sponsor, Astana, Kazakhstan" in said
    assert "This discussion has taken place." in said
    assert "Registration stays open for what follows from it." in said
    assert "UTC" not in said, "no time of day is known"
    named = [
        element.text
        for element in tree_of(visitor.get("/discussions/bloody-january").text).iter("h3")
    ]
    assert named[:5] == [person.name for person in content.contributors]


@on_sqlite
def test_the_first_page_with_its_styles_is_light(app, visitor):
    builders.publish_first()
    page = visitor.get("/discussions/bloody-january")
    weight = len(page.data)
    for link in tree_of(page.text).iter("link"):
        if link.get("rel") == "stylesheet":
            with visitor.get(link.get("href")) as sheet:
                weight += len(sheet.data)
    assert weight < 60_000


@on_sqlite
def test_a_page_tells_programs_where_it_and_its_calendar_are(app, visitor):
    builders.publish(builders.file('subtitle = "Of the Aral Sea"\nsummary = "Who drinks?"'))
    head = head_of(visitor.get("/discussions/water").text)
    assert head["canonical"] == ["http://127.0.0.1:8000/discussions/water"]
    assert head["alternate"] == ["/discussions/water.ics", "/discussions.ics"]
    assert head["description"] == head["og:description"] == ["Who drinks?"]
    assert head["og:title"] == ["Who owns the water?"]
    assert head["og:url"] == ["http://127.0.0.1:8000/discussions/water"]
    assert head["og:type"] == ["website"]
    agenda = head_of(visitor.get("/").text)
    assert agenda["alternate"] == ["/discussions.ics"]
    assert agenda["canonical"] == ["http://127.0.0.1:8000/"]


@on_sqlite
def test_a_page_without_a_summary_is_described_by_its_abstract(app, visitor):
    builders.publish(builders.file('description = "About the *Aral* Sea.\\n\\nAnd more."'))
    head = head_of(visitor.get("/discussions/water").text)
    assert head["og:description"][0].split() == ["About", "the", "Aral", "Sea.", "And", "more."]


@on_sqlite
def test_a_page_offers_every_way_into_a_calendar(app, visitor):
    builders.publish()
    page = visitor.get("/discussions/water").text
    offered = [link.get("href") for link in tree_of(page).iter("a")]
    assert "/discussions/water.ics" in offered
    assert "webcal://127.0.0.1:8000/discussions.ics" in offered
    assert [code.text for code in tree_of(page).iter("code")] == [
        "http://127.0.0.1:8000/discussions.ics"
    ]
    assert any(address.startswith("https://calendar.google.com/") for address in offered)
    assert any(address.startswith("https://outlook.live.com/") for address in offered)
    assert "Google Calendar looks for changes only every 8 to 24 hours" in text_of(page)


@on_sqlite
def test_no_public_answer_has_the_join_link_or_a_person(app, visitor):
    builders.publish(builders.file('join_url = "https://meet.example/secret"'))
    person = builders.register_and_confirm(affiliation="Aral Society")
    for path in ("/", "/discussions/water", "/discussions.ics", "/discussions/water.ics"):
        answer = visitor.get(path).data.replace(b"\r\n ", b"")
        for private in ("meet.example", person.address, person.name, person.token, "Aral Society"):
            assert private.encode() not in answer


@on_sqlite
def test_the_agenda_has_the_next_first_and_the_last_held_first(app, visitor, clock):
    for number, day in enumerate(["2026-01-05", "2026-02-05", "2026-03-05", "2026-04-05"]):
        stated = f"starts = {day}T10:00:00\nends = {day}T11:00:00\ntitle = 'Talk {number}'"
        builders.publish(builders.file(f'slug = "talk-{number}"\n{stated}'))
    titles = [link.text for link in tree_of(visitor.get("/").text).iterfind(".//h3/a")]
    assert titles == ["Talk 2", "Talk 3", "Talk 1", "Talk 0"]
    assert feed_of(visitor) == ["Talk 0", "Talk 1", "Talk 2", "Talk 3"]


@pytest.mark.parametrize(
    "path", ["/discussions/wine", "/discussions/wine.ics", "/discussions/Water"]
)
@on_sqlite
def test_an_unknown_address_is_not_found(app, visitor, path):
    builders.publish()
    assert visitor.get(path).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete"])
@on_sqlite
def test_a_public_answer_can_only_be_read(app, visitor, method):
    builders.publish()
    answer = getattr(visitor.client, method)("/discussions.ics")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@on_sqlite
def test_no_text_of_a_discussion_becomes_markup(app, visitor):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    lines = [f"{name} = '''{evil} {name}'''" for name in ("title", "subtitle", "summary")]
    lines.append(
        f"description = '''{evil}\n\n[a](javascript:alert(1)) ![b](https://evil.example/b)'''"
    )
    people = f"\n[[partners]]\nrole = '''{evil}'''\nname = '''{evil}'''\nplace = '''{evil}'''\n"
    builders.publish(builders.file("\n".join(lines)) + people.encode())
    for path in ("/", "/discussions/water"):
        tree = tree_of(visitor.get(path).text)
        assert not list(tree.iter("img"))
        assert not [link for link in tree.iter("a") if "script:" in (link.get("href") or "")]
        kinds = {script.get("type") for script in tree.iter("script")}
        assert kinds <= {"application/ld+json", "module"}
        assert f"{evil} title" in text_of(visitor.get(path).text)


@on_sqlite
def test_a_contributors_address_is_shown_with_or_without_an_organization(app, visitor):
    people = """
[[contributors]]
role = "moderator"
name = "Dana Omar"
position = "Writer"
url = "https://dana.example.org"

[[contributors]]
role = "moderator"
name = "Asel Nur"
url = "https://asel.example.org"
"""
    builders.publish(builders.file() + people.encode())
    page = visitor.get("/discussions/water").text
    addresses = [link.get("href") for link in tree_of(page).iter("a")]
    assert addresses.count("https://dana.example.org") == 1
    assert addresses.count("https://asel.example.org") == 1
    assert "Dana Omar Writer https://dana.example.org" in text_of(page)


@on_sqlite
def test_a_partners_role_keeps_its_capitals(app, visitor):
    partner = '\n[[partners]]\nrole = "media partner, EU and UN"\nname = "Steppe"\n'
    builders.publish(builders.file() + partner.encode())
    assert "Media partner, EU and UN" in page_text(visitor)


@on_sqlite
def test_text_in_another_language_is_marked_as_such(app, visitor):
    builders.publish(builders.file('language = "kk"\ntitle = "Арал теңізі"'))
    tree = tree_of(visitor.get("/discussions/water").text)
    assert tree.get("lang") == "en"
    assert tree.find(".//h1").get("lang") == "kk"
    assert tree.find(".//article").get("lang") == "kk"
    (listed,) = tree_of(visitor.get("/").text).iterfind(".//h3/a")
    assert (listed.get("lang"), listed.text) == ("kk", "Арал теңізі")


@on_sqlite
def test_robots_may_read_calendars_and_no_personal_page(app, visitor):
    robots = urllib.robotparser.RobotFileParser()
    robots.parse(visitor.get("/robots.txt").text.splitlines())
    for path in ("/", "/discussions.ics", "/discussions/water", "/registrations/calendar/t.ics"):
        assert robots.can_fetch("Googlebot", path)
    assert not robots.can_fetch("Googlebot", "/registrations/token")


@on_sqlite
def test_the_privacy_page_states_this_installations_figures(app, visitor):
    said = text_of(visitor.get("/privacy").text)
    assert "erased by itself 30 days after the discussion" in said
    assert "not confirmed is erased after 72 hours" in said
    assert "hosts@example.org" in said


@on_sqlite
def test_a_shortened_address_leads_to_the_agenda(app, visitor):
    answer = visitor.get("/discussions")
    assert (answer.status_code, answer.location) == (302, "/")


@pytest.mark.parametrize("path", ["/discussions/%00", "/discussions/a%00.ics"])
def test_a_name_with_a_nul_is_nobodys(app, visitor, path):
    assert visitor.get(path).status_code == 404
