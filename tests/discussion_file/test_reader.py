"""The discussion file: a right one is read whole, a wrong one is refused with all its mistakes."""

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.discussion_file import DiscussionFileRefused, _announcement, read
from registration.discussion_file.table import Table
from registration.models import Announcement, Contributor, Partner, Question, Sharing

from ..builders import file

FULL = """
slug = "water"
uid = "a1b2c3d4@events.example.org"
title = "Who owns the water?"
subtitle = "After the Aral Sea"
summary = "One sentence."
description = "*Markdown*"
starts = 2026-04-02T17:00:00
ends = 2026-04-02T18:30:00
zone = "Asia/Almaty"
language = "ru"
registration = 2026-04-01T12:00:00
seats = 500
address_confirmation = false
join_url = "https://meet.example.org/x?y=1#z"
recording_url = "http://example.org:8080/r"
afterword = "What came of it."
reminders = ["2d", "30m"]
discreet = true
names = "optional"

[[contributors]]
role = "speaker"
name = "Saule Suleimenova"
position = "Hydrologist"
organization = "Institute of Geography"
url = "https://example.org"
biography = "Studies rivers."

[[contributors]]
role = "moderator"
name = "Тимур"

[[partners]]
role = "co-sponsor"
name = "Water Fund"
place = "Astana, Kazakhstan"
url = "https://example.org"

[[questions]]
key = "question"
label = "What would you ask?"
kind = "choices"
options = ["a", "b"]
required = true
why = "To prepare."

[[sharing]]
partner = "Water Fund"
what = ["name", "email"]
why = "To invite you."
"""
KNOWN = (
    "slug, uid, title, zone, date, starts, ends, seats, contributors, partners, "
    "questions, sharing, subtitle, summary, description, language, registration, "
    "address_confirmation, join_url, recording_url, afterword, reminders, discreet, names"
)
SPEAKER = '[[contributors]]\nrole = "speaker"\nname = "A"\n'
LINE = "must be one line of text, in quotes."
MARKDOWN = "must be text (Markdown), in quotes."
URL = "must be a whole web address in ASCII, such as https://example.org/page."
FLAG = "must be true or false."
SEATS = "must be a whole number from 1 to 1000000."
REMINDERS = 'must be a list of times before the start, such as ["1d", "1h"]'
WALL = (
    "must be a time without an offset, such as 2024-03-05T15:00:00; or give date for a whole day."
)
REGISTRATION = 'must be "open", "closed" or a time such as 2024-03-05T15:00:00.'
ZONE = "must be a time zone such as Asia/Almaty or UTC."
LANGUAGE = "must be a language tag such as en, ru or kk."


def mistakes(content: bytes | str) -> list[str]:
    """Return what is wrong with a file."""
    with pytest.raises(DiscussionFileRefused) as refusal:
        read(content if isinstance(content, bytes) else content.encode())
    assert str(refusal.value) == "\n".join(refusal.value.mistakes)
    return refusal.value.mistakes


def changed(line: str) -> str:
    """Return the full file with one of its first lines changed."""
    key = line.partition(" = ")[0]
    head, _, rest = FULL.partition("[[contributors]]")
    kept = [old for old in head.splitlines() if not old.startswith(f"{key} = ")]
    return "\n".join([line, *kept, "[[contributors]]"]) + rest


def test_a_full_file_says_everything():
    found = read(FULL.encode())
    assert (found.slug, found.uid, found.seats) == ("water", "a1b2c3d4@events.example.org", 500)
    assert found.when.starts_at == datetime(2026, 4, 2, 12, 0, tzinfo=UTC)
    assert found.when.ends_at == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
    content = found.content
    assert content.title == "Who owns the water?"
    assert content.subtitle == "After the Aral Sea"
    assert content.summary == "One sentence."
    assert content.description == "*Markdown*"
    assert content.language == "ru"
    assert content.registration == "2026-04-01T07:00:00+00:00"
    assert content.address_confirmation is False
    assert content.join_url == "https://meet.example.org/x?y=1#z"
    assert content.recording_url == "http://example.org:8080/r"
    assert content.afterword == "What came of it."
    assert content.reminders == ["2d", "30m"]
    assert content.discreet is True
    assert content.names == "optional"
    assert content.contributors == [
        Contributor(
            role="speaker",
            name="Saule Suleimenova",
            position="Hydrologist",
            organization="Institute of Geography",
            url="https://example.org",
            biography="Studies rivers.",
        ),
        Contributor(role="moderator", name="Тимур"),
    ]
    partner = Partner("co-sponsor", "Water Fund", "Astana, Kazakhstan", "https://example.org")
    assert content.partners == [partner]
    question = Question(
        "question", "What would you ask?", "choices", ["a", "b"], required=True, why="To prepare."
    )
    assert content.questions == [question]
    assert content.sharing == [Sharing("Water Fund", ["name", "email"], "To invite you.")]


def test_a_short_file_has_the_defaults():
    found = read(b'slug = "a"\ntitle = "A"\ndate = 2026-04-02\n')
    content = found.content
    assert (found.uid, found.seats, found.when.all_day, found.when.zone) == (None, None, True, None)
    assert (content.language, content.registration, content.reminders) == (
        "en",
        "end",
        ["1d", "1h"],
    )
    assert content.address_confirmation is True
    assert content.discreet is False
    assert content.names == ""
    assert content.contributors == content.partners == content.questions == content.sharing == []
    empty = (content.subtitle, content.summary, content.description, content.afterword)
    assert empty == ("", "", "", "")
    assert content.join_url == content.recording_url == ""


def test_a_byte_order_mark_and_any_line_ends_are_accepted():
    assert read(b"\xef\xbb\xbf" + file().replace(b"\n", b"\r\n")) == read(file())


def test_a_file_that_is_not_toml_is_refused_with_its_line():
    assert mistakes('slug = "a"\ntitle = A\n') == [
        "This is not TOML: Invalid value (at line 2, column 9)."
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'slug = "a"\ntitle = "\xc4\xf0\xe0"\n', 2),
        (b'\xef\xbb\xbfslug = "a"\n\n\ntitle = "\xff"\n', 4),
        ('slug = "a"'.encode("utf-16"), 1),
    ],
)
def test_a_file_that_is_not_utf8_is_refused_with_its_line(content, line):
    assert mistakes(content) == [f"line {line} is not UTF-8: save the file as UTF-8."]


@pytest.mark.parametrize("content", ["x = " + "[" * 5000, "seats = " + "9" * 5000])
def test_a_file_beyond_what_python_reads_is_refused(content):
    sentence = "This is no discussion: a number in it is endless, or a list too deep."
    assert mistakes(content) == [sentence]


def test_an_empty_file_is_told_all_that_is_missing():
    assert mistakes("") == [
        f"slug is missing; it {LINE}",
        f"title is missing; it {LINE}",
        f"starts is missing; it {WALL}",
        f"ends is missing; it {WALL}",
        "zone is missing; starts and ends need one, such as Asia/Almaty.",
    ]


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        ("[[contributors]]", [f"contributors[1].role {LINE}", f"contributors[1].name {LINE}"]),
        ("[[partners]]", [f"partners[1].role {LINE}", f"partners[1].name {LINE}"]),
        (
            "[[questions]]",
            [f"questions[1].key {LINE}", f"questions[1].kind {LINE}", f"questions[1].label {LINE}"],
        ),
        (
            "[[sharing]]",
            [
                "sharing[1].what must list some of name, email, affiliation.",
                f"sharing[1].partner {LINE}",
                f"sharing[1].why {LINE}",
            ],
        ),
    ],
)
def test_a_table_is_told_all_that_is_missing(table, missing):
    head = 'slug = "a"\ntitle = "A"\ndate = 2026-04-02\n'
    said = [sentence.replace(" must be", " is missing; it must be") for sentence in missing]
    assert mistakes(head + table) == said


@pytest.mark.parametrize(
    ("table", "key", "known"),
    [
        ("", "", KNOWN),
        ("[[contributors]]", "contributors[3].",
         "role, name, position, organization, url, biography"),
        ("[[partners]]", "partners[2].", "role, name, place, url"),
        ("[[questions]]", "questions[2].", "key, kind, options, label, required, why"),
        ("[[sharing]]", "sharing[2].", "what, partner, why"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_at_every_level(table, key, known):
    more = 'colour = "red"\nOther = {}\n'
    whole = FULL + f"\n{table}\n{more}" if table else more + FULL
    unknown = [sentence for sentence in mistakes(whole) if "missing" not in sentence]
    assert [sentence for sentence in unknown if "must list" not in sentence] == [
        f"{key}colour is not known here; known are {known}.",
        f"{key}Other is not known here; known are {known}.",
    ]


def test_an_unknown_key_of_any_characters_is_told_in_one_line():
    (mistake,) = mistakes('"a\\n\\u001b[31mb" = 1\n' + FULL)
    assert mistake.startswith("'a\\n\\x1b[31mb' is not known here; ")


@pytest.mark.parametrize("value", ["1", "1.5", "true", "[]", "{}", "2026-04-02", "nan", "[[]]"])
@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("slug", LINE), ("uid", LINE), ("title", LINE), ("subtitle", LINE), ("summary", LINE),
        ("description", MARKDOWN), ("afterword", MARKDOWN), ("zone", LINE), ("language", LINE),
        ("join_url", LINE), ("recording_url", LINE), ("registration", REGISTRATION),
    ],
)  # fmt: skip
def test_a_value_that_is_no_text_is_refused_where_text_belongs(key, sentence, value):
    assert mistakes(changed(f"{key} = {value}")) == [f"{key} {sentence}"]


@pytest.mark.parametrize(
    ("key", "sentence", "values"),
    [
        ("seats", SEATS, ['"5"', "5.0", "true", "0", "-1", "1000001", "[5]", "9" * 40]),
        ("address_confirmation", FLAG, ['"true"', "1", "0", "[]"]),
        ("discreet", FLAG, ['"no"', "1.0", "{}"]),
        ("starts", WALL, ['"2026-04-02T17:00:00"', "2026-04-02", "17:00:00", "1", "true"]),
        ("ends", WALL, ['""', "2026-04-02", "17:00:00", "[]"]),
        ("reminders", REMINDERS + ".", ['"1d"', "[1]", '[""]', "[[]]", "1", "{}"]),
        (
            "reminders",
            REMINDERS + ": a number and d, h or m.",
            ['["0d"]', '["1w"]', '["1d", "x"]', '["1000m"]', '["-1d"]'],
        ),
        ("reminders", "must be at most 10 times, no two the same.", ['["1d", "1d"]']),
        ("zone", ZONE, ['"Asia/Atlantis"', '"Almaty"', '""', '"  "', '"+05:00"', '"CET"']),
        (
            "language",
            LANGUAGE,
            ['"english"', '"EN"', '"en_US"', '"en.utf8"', '"en@euro"', '"xx-"', '"qq"', '""'],
        ),
        ("registration", REGISTRATION, ['"soon"', '""', "2026-04-01", "12:00:00"]),
        (
            "slug",
            "may hold small letters a-z, digits and single hyphens between them.",
            ['"Water"', '"a b"', '"a--b"', '"-a"', '"a-"', '"вода"', '"a/b"', '"a.ics"'],
        ),
        (
            "uid",
            "may hold letters a-z, digits and . _ @ + - only, at least eight.",
            ['"short"', '"with space"', '"a1b2c3d4;x"', '"идентификатор"'],
        ),
    ],
)
def test_a_wrong_value_is_told_with_a_right_one(key, sentence, values):
    for value in values:
        assert mistakes(changed(f"{key} = {value}")) == [f"{key} {sentence}"]


@pytest.mark.parametrize(
    ("table", "line", "mistake"),
    [
        ("contributors", "role = 1", f"role {LINE}"),
        ("contributors", 'role = "host"', "role must be one of speaker, moderator."),
        ("contributors", "name = []", f"name {LINE}"),
        ("contributors", 'name = " "', f"name is empty; it {LINE}"),
        ("contributors", "position = 1", f"position {LINE}"),
        ("contributors", "organization = true", f"organization {LINE}"),
        ("contributors", "url = {}", f"url {LINE}"),
        ("contributors", 'url = "example.org"', f"url {URL}"),
        ("contributors", "biography = 1", f"biography {MARKDOWN}"),
        ("partners", "role = 1", f"role {LINE}"),
        ("partners", "name = 1", f"name {LINE}"),
        ("partners", "place = 1", f"place {LINE}"),
        ("partners", 'url = "x"', f"url {URL}"),
        ("questions", "key = 1", f"key {LINE}"),
        (
            "questions",
            'key = "Eine Frage"',
            "key may hold small letters a-z, digits and _, and begins with a letter.",
        ),
        (
            "questions",
            'key = "email"',
            "key is the name of a column of the export; choose another.",
        ),
        ("questions", "label = 1", f"label {LINE}"),
        ("questions", 'kind = "text"', "kind must be one of line, long, choice, choices, yes."),
        ("questions", "kind = 1", f"kind {LINE}"),
        ("questions", "required = 1", f"required {FLAG}"),
        ("questions", "why = 1", f"why {LINE}"),
        ("questions", 'options = "a"', 'options must be a list of choices, such as ["yes", "no"].'),
        (
            "questions",
            'options = ["a"]',
            'options must list at least two choices where kind is "choice".',
        ),
        (
            "questions",
            'options = ["a", "a"]',
            "options must be at most 100 choices, no two the same.",
        ),
        (
            "questions",
            'options = ["a\\u202e", "c"]',
            "options holds the character U+202E, which cannot be shown; remove it.",
        ),
        (
            "questions",
            f'options = ["a", "{"b" * 301}"]',
            "options has an entry of 301 characters; at most 300 are taken.",
        ),
        ("sharing", "partner = 1", f"partner {LINE}"),
        ("sharing", "what = 1", 'what must be a list such as ["name", "email"].'),
        ("sharing", 'what = ["phone"]', "what must list some of name, email, affiliation."),
        ("sharing", "why = 1", f"why {LINE}"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_table_is_told_with_its_number(table, line, mistake):
    right = {
        "contributors": {"role": '"speaker"', "name": '"A"'},
        "partners": {"role": '"host"', "name": '"A"'},
        "questions": {"key": '"q"', "label": '"Q"', "kind": '"choice"', "options": '["a", "b"]'},
        "sharing": {"partner": '"P"', "what": '["name"]', "why": '"W"'},
    }[table]
    key, _, value = line.partition(" = ")
    first = "\n".join(f"{name} = {given}" for name, given in right.items()).replace('"q"', '"p"')
    second = "\n".join(f"{name} = {given}" for name, given in (right | {key: value}).items())
    first = first.replace('"P"', '"O"')
    head = 'slug = "a"\ntitle = "A"\ndate = 2026-04-02\n'
    content = f"{head}[[{table}]]\n{first}\n[[{table}]]\n{second}\n"
    assert mistakes(content) == [f"{table}[2].{mistake}"]


@pytest.mark.parametrize("kind", ["line", "long", "yes"])
def test_options_are_refused_where_nothing_is_chosen(kind):
    content = FULL.replace('kind = "choices"', f'kind = "{kind}"')
    sentence = 'questions[1].options belongs to the kinds "choice" and "choices" only.'
    assert mistakes(content) == [sentence]


def test_duplicates_are_refused():
    twice = FULL + FULL[FULL.index("[[questions]]") :]
    assert mistakes(twice) == [
        'questions[2].key "question" stands above already.',
        'sharing[2].partner "Water Fund" stands above already.',
    ]


@pytest.mark.parametrize("key", ["contributors", "partners", "questions", "sharing"])
@pytest.mark.parametrize("value", ['"x"', "1", "{}", "[1]", '["a"]'])
def test_tables_must_be_tables(key, value):
    content = f'{key} = {value}\nslug = "a"\ntitle = "A"\ndate = 2026-04-02\n'
    assert mistakes(content) == [f"{key} must be written as [[{key}]]."]


def test_two_hundred_contributors_are_fine_and_keep_their_order():
    people = "".join(SPEAKER.replace('"A"', f'"Person {number}"') for number in range(200))
    found = read(b'slug = "a"\ntitle = "A"\ndate = 2026-04-02\n' + people.encode())
    assert [person.name for person in found.content.speakers] == [f"Person {n}" for n in range(200)]


def test_too_many_are_refused_in_one_sentence():
    people = 'slug = "a"\ntitle = "A"\ndate = 2026-04-02\n' + "[[contributors]]\n" * 501
    assert mistakes(people) == ["contributors has 501 entries; at most 500 are taken."]


@pytest.mark.parametrize(
    ("key", "most"),
    [("title", 300), ("subtitle", 300), ("summary", 500), ("slug", 80), ("description", 20_000)],
)
def test_text_that_is_too_long_is_refused_with_its_length(key, most):
    read(changed(f'{key} = "{"a" * most}"').encode())
    sentence = f"{key} has {most + 1} characters; at most {most} are taken."
    assert mistakes(changed(f'{key} = "{"a" * (most + 1)}"')) == [sentence]


@pytest.mark.parametrize("code", ["0000", "001B", "007F", "202E", "2066", "FFFF"])
@pytest.mark.parametrize("key", ["title", "description"])
def test_control_and_bidi_characters_are_refused(key, code):
    assert mistakes(changed(f'{key} = "a\\u{code}b"')) == [
        f"{key} holds the character U+{code}, which cannot be shown; remove it."
    ]


def test_a_line_has_no_line_end_and_markdown_has_one_kind():
    assert mistakes(changed('title = "a\\nb"')) == [
        "title holds the character U+000A, which cannot be shown; remove it."
    ]
    found = read(changed('description = "a\\r\\n\\r\\nb\\u2028c"').encode())
    assert found.content.description == "a\n\nb\nc"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://example.org",
     "mailto:a@example.org", "example.org", "//example.org", "/page", "https://", "https:///page",
     "https:example.org", "https://user@example.org", "https://user:secret@example.org",
     "https://@example.org", "https://example.org/a b", "https:// example.org", "https://example",
     "https://example.org:0", "https://example.org:99999", "https://example.org:x",
     "https://example..org", "https://[::1", "https://example.org/<b>", "https://example.org\\\\@x",
     "https://example.org/\\u200b", "https://пример.рф", "https://us\u2100er.org"],
)  # fmt: skip
def test_a_malformed_web_address_is_refused(url):
    for key in ("join_url", "recording_url"):
        assert mistakes(changed(f'{key} = "{url}"')) == [f"{key} {URL}"]


@pytest.mark.parametrize(
    "url", ["https://example.org", "http://example.org:8080/a?b=c&d#e", "https://xn--e1afmkfd.xn--p1ai",
            "http://localhost:8000/x", "HTTPS://EXAMPLE.ORG/%20"],
)  # fmt: skip
def test_a_web_address_is_kept_as_it_stands(url):
    assert read(changed(f'join_url = "{url}"').encode()).content.join_url == url


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "mistake"),
    [
        ("2026-04-02T17:00:00", "2026-04-02T17:00:00", "UTC", "ends must be later than starts."),
        ("2026-04-02T17:00:00", "2026-04-02T16:00:00", "UTC", "ends must be later than starts."),
        ("2026-04-02T17:00:00", "2026-05-04T17:00:00", "UTC",
         "ends must be within 31 days of starts."),
        ("2024-03-31T02:30:00", "2024-03-31T04:00:00", "Europe/Berlin",
         "starts does not exist in Europe/Berlin: clocks are put forward over it that day."),
        ("2024-03-31T01:30:00", "2024-03-31T02:30:00", "Europe/Berlin",
         "ends does not exist in Europe/Berlin: clocks are put forward over it that day."),
        ("2024-10-27T02:30:00", "2024-10-27T04:00:00", "Europe/Berlin",
         "starts happens twice in Europe/Berlin: clocks are put back over it that day."),
        ("2024-10-27T01:30:00", "2024-10-27T02:30:00", "Europe/Berlin",
         "ends happens twice in Europe/Berlin: clocks are put back over it that day."),
        ("2026-04-02T17:00:00Z", "2026-04-02T18:00:00", "UTC",
         "starts must have no offset: it is read in UTC."),
        ("2026-04-02T17:00:00", "2026-04-02T18:00:00+05:00", "Asia/Almaty",
         "ends must have no offset: it is read in Asia/Almaty."),
        ("1969-12-31T23:00:00", "1970-01-01T01:00:00", "UTC",
         "starts must lie between 1970 and 2999."),
        ("2999-12-31T23:00:00", "3000-01-01T01:00:00", "UTC",
         "ends must lie between 1970 and 2999."),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(starts, ends, zone, mistake):
    content = file(f'starts = {starts}\nends = {ends}\nzone = "{zone}"')
    assert mistakes(content) == [mistake]


def test_a_discussion_over_the_change_of_clocks_is_measured_by_instants():
    starts, ends = "2024-10-27T01:30:00", "2024-10-27T03:30:00"
    found = read(file(f'starts = {starts}\nends = {ends}\nzone = "Europe/Berlin"'))
    assert (found.when.ends_at - found.when.starts_at).total_seconds() == 3 * 3600


@pytest.mark.parametrize(("day", "hour"), [("2024-02-29", 11), ("2024-03-01", 12)])
def test_almaty_is_read_before_and_after_its_change(day, hour):
    found = read(file(f"starts = {day}T17:00:00\nends = {day}T18:00:00"))
    assert found.when.starts_at.hour == hour


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("date = 2026-04-02T10:00:00", ["date must be a date without a time, such as 2023-12-07."]),
        ('date = "2026-04-02"', ["date must be a date such as 2023-12-07."]),
        ("date = 1969-12-31", ["date must lie between 1970 and 2999."]),
        ("date = 3000-01-01", ["date must lie between 1970 and 2999."]),
        (
            "date = 2026-04-02\nstarts = 2026-04-02T10:00:00\nends = 1",
            [
                "starts cannot stand beside date; give date, or starts and ends.",
                "ends cannot stand beside date; give date, or starts and ends.",
            ],
        ),
    ],
)
def test_a_date_that_is_none_is_refused(line, found):
    assert mistakes(f'slug = "a"\ntitle = "A"\n{line}') == found


def test_registration_may_close_at_an_instant():
    found = read(changed("registration = 2026-04-01T12:00:00+02:00").encode())
    assert found.content.registration == "2026-04-01T10:00:00+00:00"


def test_registration_at_a_wall_time_needs_a_zone():
    head = 'slug = "a"\ntitle = "A"\ndate = 2026-04-02\nregistration = 2026-04-01T12:00:00\n'
    sentence = "registration is a time that needs an offset here, such as ...T15:00:00Z."
    assert mistakes(head) == [sentence]
    found = read((head + 'zone = "Asia/Almaty"').encode())
    assert found.content.registration == "2026-04-01T07:00:00+00:00"


def test_registration_cannot_close_at_a_time_that_does_not_exist():
    content = changed('zone = "Europe/Berlin"').replace("2026-04-01T12:00", "2026-03-29T02:30")
    sentence = "does not exist in Europe/Berlin: clocks are put forward over it that day."
    assert mistakes(content) == [f"registration {sentence}"]


def test_a_wrong_start_is_not_told_of_registration_too():
    assert mistakes(changed("starts = 1")) == [f"starts {WALL}"]


def test_every_mistake_is_told_at_once_with_its_key():
    content = FULL.replace('slug = "water"', 'slug = "Water!"\ncolour = "red"')
    content = content.replace('zone = "Asia/Almaty"', 'zone = "Mars/Olympus"')
    content = content.replace("seats = 500", "seats = 0").replace('"2d"', '"2w"')
    content = content.replace('name = "Тимур"', 'nmae = "Тимур"\nurl = "ftp://example.org"')
    content = content.replace('kind = "choices"', 'kind = "maybe"')
    found = mistakes(content)
    assert [sentence.split()[0] for sentence in found] == [
        "slug", "zone", "seats", "reminders", "contributors[2].name", "contributors[2].url",
        "questions[1].kind", "contributors[2].nmae", "colour",
    ]  # fmt: skip


TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["speaker", "moderator", "open", "choice", "choices", "yes", "1d", "name", "en",
                     "https://example.org", "Asia/Almaty", "UTC", "water", "a\u202eb", "a\nb"]),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        TEXT,
        st.booleans(),
        st.integers(),
        st.floats(),
        st.dates(),
        st.times(),
        st.datetimes(),
        st.datetimes(timezones=st.just(UTC)),
        st.sampled_from([date(2026, 4, 2), time(1), datetime(2024, 3, 31, 2, 30)]),  # noqa: DTZ001
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


def table_of(*keys: str) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(keys), VALUES, max_size=len(keys))


TABLES = {
    "contributors": table_of("role", "name", "position", "organization", "url", "biography"),
    "partners": table_of("role", "name", "place", "url"),
    "questions": table_of("key", "label", "kind", "options", "required", "why"),
    "sharing": table_of("partner", "what", "why"),
}
KEYS = [line.split(" = ")[0] for line in FULL.partition("[[")[0].splitlines() if line]
FILES = st.tuples(
    table_of(*KEYS, "date", "more"),
    st.fixed_dictionaries({}, optional={k: st.lists(v, max_size=2) for k, v in TABLES.items()}),
)


@given(FILES, st.booleans())
def test_values_of_any_kind_are_an_announcement_or_mistakes(tables, is_dated):
    top, arrays = tables
    start = {"slug": "a", "title": "A", "date": date(2026, 4, 2)} if is_dated else {}
    table = Table(start | top | arrays, "", [])
    found = _announcement(table)
    table.close()
    assert isinstance(found, Announcement) or table.mistakes
    assert all("\n" not in str(mistake) for mistake in table.mistakes)
    if not table.mistakes:
        assert found.digest == found.digest
        assert found.when.starts_at < found.when.ends_at


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes_are_an_announcement_or_refused(content):
    assert mistakes(content)


@pytest.mark.parametrize("kind", ["choice", "choices"])
def test_a_semicolon_is_refused_only_where_it_stands_between_choices(kind):
    asked = f'\n[[questions]]\nkey = "q"\nlabel = "Q"\nkind = "{kind}"\noptions = ["a; b", "c"]\n'
    content = file() + asked.encode()
    if kind == "choice":
        assert read(content).content.questions[0].options == ["a; b", "c"]
    else:
        assert mistakes(content) == [
            "questions[1].options may hold no semicolon: the export puts one between choices."
        ]
