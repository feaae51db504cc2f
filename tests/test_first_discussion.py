"""The first discussion: every known fact stands on its page, in its letter and in its entry,
and nothing that is not known is invented."""

import json
import re

import pytest
from icalendar import Calendar

from registration.discussion_file import read

from . import builders
from .visitor import text_of

SPEAKERS = ["Aldiyar Auyezbek", "Kamila Kovyazina", "Serik Beissembayev", "Yevgeniy Zhovtis"]
FACTS = [
    # what and when
    "Protest Motivations, Public Perceptions and Human Rights", "7 December 2023",
    # the abstract
    "In the first days of 2022 a series of protests shook Kazakhstan", "ambiguous",
    "many casualties and injuries", "still not clearly understood",
    "public sentiment about the January 2022 protests",
    "how people see the actions of the authorities",
    "how far they trust the official investigations", "findings from interviews with protesters",
    "how the mobilization worked from within",
    ("data collected together with the Human Rights Alliance for Fundamental Rights "
    "before, during and after the events"), "violations of labor and social rights",
    "Mangystau region, where the protests began", ("right to life, freedom from torture and the "
    "right to a fair trial during the investigations of “Bloody January”"),
    # Aldiyar Auyezbek
    "Research Fellow", "the economy and social perceptions in Kazakhstan and Central Asia",
    "six years in Kazakhstani policy think tanks", "economic policy",
    "development of human capital", "articles on societal perceptions in Kazakhstan",
    "studies on education, public safety and healthcare",
    "the Central Asian region and sustainable development",
    # Kamila Kovyazina
    "sociology and public policy researcher in Kazakhstan", "12 years", "several think tanks",
    "sociological field studies", "analytical papers",
    "part of PaperLab Research Center since April 2022",
    "MA in Area Studies from Eurasian National University",
    "doctoral student at Nazarbayev University",
    "gender issues, inequality and secondary education",
    # Serik Beissembayev
    "violent extremism, interethnic relations and civil society in Kazakhstan",
    "Co-founder and director",
    ("co-founder and director of PaperLab Research Center, an independent think tank based in "
    "Astana"), "sociological and public policy research",
    ("Since 2020 PaperLab has completed over 40 research projects with governmental and "
    "international organizations"),
    ("In 2022 its team organized the first Central Asian Think Tank Forum, a platform for "
    "collaboration and dialogue between independent research and analytical centers of "
    "Central Asia"),
    ("scientific and analytical publications in Kazakhstani and international media on policy "
    "issues and public opinion"),
    # Yevgeniy Zhovtis
    ("director of the Kazakhstan International Bureau for Human Rights, the oldest and largest "
    "civil society organization in Kazakhstan"),
    "marked its thirtieth anniversary in the summer of 2023", "since the late 1980s",
    "defending human rights and opposing government repression",
    "Council of the International Bar Association Human Rights Institute",
    "OSCE/ODIHR Panel of Experts on Freedom of Assembly and Association",
    ("co-author of the Report on the Bolotnaya Square Events in Moscow, published in 2012 by the "
    "International Expert Commission"),
    # Karlygash Kabatova
    "Program Associate", "Central Asia Program, IERES", "The George Washington University",
    "youth sexual and reproductive health and rights (SRHR)", "gender education",
    "gender-based violence and civil activism", "UyatEmes.kz, an SRHR project in Kazakhstan",
    # the partner
    "PaperLab Research Center", "Astana, Kazakhstan",
]  # fmt: skip
LINKS = ["https://paperlab.kz", "https://bureau.kz"]
TITLE = "Kazakhstan\N{RIGHT SINGLE QUOTATION MARK}s Bloody January"


@pytest.fixture
def letter(app):
    """The confirmation that an attendee of the first discussion gets."""
    builders.publish_first()
    builders.register_and_confirm(slug="bloody-january")
    builders.deliver()
    return builders.kept_letters(app)[-1]


def missing(text: str) -> list[str]:
    """Return the facts that do not stand in a text."""
    flat = " ".join(text.split())
    return [fact for fact in FACTS if fact not in flat]


def are_in_order(text: str) -> bool:
    """Whether the headings and people stand in their order, each name first as a line."""
    flat = " ".join(text.split())
    people = flat[re.search("speakers", flat, re.IGNORECASE).end() :]
    places = [people.index(name) for name in [*SPEAKERS, "Karlygash Kabatova"]]
    lower = people.lower()
    places.insert(4, lower.index("moderator"))
    places.append(lower.rindex("partner"))
    return places == sorted(places)


def test_the_page_has_every_fact(app, visitor):
    builders.publish_first()
    page = visitor.get("/discussions/bloody-january").text
    assert missing(text_of(page)) == []
    assert TITLE in text_of(page)
    assert are_in_order(text_of(page))
    assert [link for link in LINKS if f'href="{link}"' not in page] == []
    assert "Co-sponsor" in text_of(page)


def test_the_letter_has_every_fact_as_text(letter):
    text = letter.get_body(("plain",)).get_content()
    assert missing(text) == []
    assert TITLE in text
    assert are_in_order(text[text.index("SPEAKERS") :])
    assert [link for link in LINKS if link not in text.split()] == []
    assert "Co-sponsor" in text
    assert TITLE in letter["Subject"]


def test_the_letter_has_every_fact_as_html(letter):
    html = letter.get_body(("html",)).get_content()
    assert missing(text_of(html)) == []
    assert TITLE in text_of(html)
    assert are_in_order(text_of(html))
    assert [link for link in LINKS if f'href="{link}"' not in html] == []
    assert "Co-sponsor" in text_of(html)


def entry_of(content: bytes | str):
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    return event


def test_the_calendar_entry_has_every_fact(app, visitor):
    builders.publish_first()
    event = entry_of(visitor.get("/discussions/bloody-january.ics").data)
    words = str(event["DESCRIPTION"])
    assert missing(words) == []
    assert str(event["SUMMARY"]) == TITLE
    assert are_in_order(words)
    assert [link for link in LINKS if link not in words.split()] == []
    assert "co-sponsor" in words


def test_the_invitation_has_every_fact(letter):
    (part,) = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    event = entry_of(part.get_content())
    assert missing(str(event["DESCRIPTION"])) == []
    assert str(event["SUMMARY"]) == TITLE


def test_no_time_of_day_is_invented(app, visitor, letter):
    page = text_of(visitor.get("/discussions/bloody-january").text)
    plain = letter.get_body(("plain",)).get_content()
    html = text_of(letter.get_body(("html",)).get_content())
    event = entry_of(visitor.get("/discussions/bloody-january.ics").data)
    for text in (page, plain, html, str(event["DESCRIPTION"])):
        assert re.findall(r"\b\d{1,2}:\d\d\b|UTC|Asia/", text) == []
    raw = visitor.get("/discussions/bloody-january.ics").text.splitlines()
    assert [line for line in raw if line.startswith(("DTSTART", "DTEND", "TRANSP"))] == [
        "DTSTART;VALUE=DATE:20231207",
        "DTEND;VALUE=DATE:20231208",
        "TRANSP:TRANSPARENT",
    ]


def test_no_host_platform_or_recording_is_invented(app, visitor):
    content = builders.publish_first().content
    assert (content.join_url, content.recording_url, content.afterword) == ("", "", "")
    event = entry_of(visitor.get("/discussions/bloody-january.ics").data)
    assert [name for name in ("LOCATION", "CONFERENCE", "ORGANIZER") if name in event] == []
    page = visitor.get("/discussions/bloody-january").text
    (stated,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    said = json.loads(stated)
    assert said["startDate"] == "2023-12-07"
    assert "Zoom" not in page
    assert re.findall(r"\b[Hh]ost(?:s|ed)? ?(?:by|:)", text_of(page)) == []
    assert "Washington" not in str(said.get("organizer", ""))


def test_the_file_says_who_speaks_who_moderates_and_who_is_partner():
    content = read(builders.FIRST.read_bytes()).content
    assert [person.name for person in content.speakers] == SPEAKERS
    assert [person.name for person in content.moderators] == ["Karlygash Kabatova"]
    partners = [(item.role, item.name, item.place, item.url) for item in content.partners]
    assert partners == [
        ("co-sponsor", "PaperLab Research Center", "Astana, Kazakhstan", "https://paperlab.kz")
    ]
    assert (content.title, content.language) == (TITLE, "en")


def test_its_identity_is_the_same_on_every_installation(app):
    assert builders.publish_first().uid == "b6d0a1f4-7c1e-4a35-9d52-20231207c0de"
