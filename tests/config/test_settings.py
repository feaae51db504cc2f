"""Settings: the source of each, and wrong ones refused by name, all at once."""

from pathlib import Path

import pytest

from registration import create_app
from registration.config import Settings, SettingsRefused, load

PREFIX = "REGISTRATION_"
KNOWN = (
    "INSTANCE, PUBLIC_URL, DATABASE_URL, MAIL_URL, MAIL_FROM, CONTACT, SITE_NAME, "
    "RETENTION_DAYS, TRUSTED_PROXIES, FORMS_AN_HOUR, LETTERS_AN_HOUR, ONION_URL, OPEN_METRICS, "
    "AT_RISK"
)
NOT_A_ROOT = (
    "must be the root of the site, such as https://events.example.org, "
    "without a path, a user or a query."
)
NOT_ASCII = "must write an international host name in its ASCII form (xn--...)."
NO_DATABASE = "must be sqlite:////folder/file.sqlite3 or postgresql+psycopg://user@host/database."
IN_MEMORY = "must name a file: a database in memory would lose registrations."
NO_MAIL = (
    "must be smtps://user:password@host:465, smtp+starttls://user:password@host:587, "
    "smtp://host:25 or maildir:folder; signs such as @ / # ? and % in a password "
    "are written %40 %2F %23 %3F and %25."
)
NO_SENDER = 'must be an address such as "Our group <events@example.org>".'
NO_ADDRESS = "must be an e-mail address such as events@example.org."
NO_NAME = "must have at most 100 characters and no comma, semicolon or backslash."
NOT_A_LINE = "must be one line of text, and not empty."
NO_DAYS = "must be a whole number from 1 to 3650."
NO_PROXIES = "must be a whole number from 0 to 10."
NOT_HTTPS = "PUBLIC_URL must begin with https:// unless it is this machine itself."
NOT_TLS = "MAIL_URL must use smtps:// or smtp+starttls:// unless the server is this machine."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An instance folder without settings.toml."""
    return tmp_path


def given(folder: Path, environment: dict[str, str] | None = None, **named: str) -> Settings:
    """Return the settings of an environment in which these are set."""
    ours = {PREFIX + name: value for name, value in named.items()}
    return load({PREFIX + "INSTANCE": str(folder)} | ours | (environment or {}))


def refused(folder: Path, environment: dict[str, str] | None = None, **named: str) -> list[str]:
    """Return the mistakes of such an environment."""
    with pytest.raises(SettingsRefused) as refusal:
        given(folder, environment, **named)
    return refusal.value.mistakes


def in_file(folder: Path, content: str | bytes) -> Path:
    """Write settings.toml, and return its folder."""
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "settings.toml").write_bytes(raw)
    return folder


def test_every_setting_has_its_default(folder):
    found = given(folder)
    assert found.instance == folder
    assert found.public_url == "http://127.0.0.1:8000"
    assert found.database_url == f"sqlite:///{folder}/registration.sqlite3"
    assert found.mail.folder == folder / "letters"
    assert str(found.mail_from) == "Registration <registration@localhost>"
    assert found.contact is None
    assert found.site_name == "Discussions"
    assert found.retention_days == 30
    assert found.trusted_proxies == 0
    assert found.keys == folder / "keys"
    assert not found.is_public


def test_the_default_public_url_follows_the_port(folder):
    assert given(folder, {"PORT": "8123"}).public_url == "http://127.0.0.1:8123"
    assert given(folder).on_port(9000).public_url == "http://127.0.0.1:9000"


def test_a_given_public_url_stays_whatever_the_port(folder):
    found = given(folder, {"PORT": "8123"}, PUBLIC_URL="https://events.example.org")
    assert found.on_port(9000).public_url == "https://events.example.org"
    assert found.host == "events.example.org"
    assert found.is_public


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "80.0", "٨٠"])
def test_a_wrong_port_is_refused_by_its_name(folder, port):
    assert refused(folder, {"PORT": port}) == ["PORT must be a whole number from 1 to 65535."]


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://events.example.org", "https://events.example.org"),
        ("https://events.example.org/", "https://events.example.org"),
        ("HTTPS://Events.Example.ORG:8443", "https://events.example.org:8443"),
        ("https://events.example.org:", "https://events.example.org"),
        ("https://xn--e1afmkfd.xn--p1ai", "https://xn--e1afmkfd.xn--p1ai"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://abcdefghij234567.onion", "http://abcdefghij234567.onion"),
    ],
)
def test_public_url_is_taken_as_a_root(folder, url, root):
    assert given(folder, PUBLIC_URL=url).public_url == root


@pytest.mark.parametrize(
    "url",
    [
        "events.example.org", "ftp://events.example.org", "https://", "https://:8000",
        "https://events.example.org/path", "https://events.example.org?x=1",
        "https://events.example.org#x", "https://user@events.example.org",
        "https://@events.example.org", "https://user:secret@events.example.org",
        "https://events.example.org:0", "https://events.example.org:99999",
        "https://events.example.org:port", "https://exa mple.org", 'https://exa"mple.org',
        "https://a..b", "https://a\\b", "https://-.org", "http://[::1", "http://[nonsense]",
        "https://us\u2100er:secret@example.org", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_public_url_that_is_no_root_is_refused(folder, url):
    assert refused(folder, PUBLIC_URL=url) == [f"REGISTRATION_PUBLIC_URL {NOT_A_ROOT}"]


def test_public_url_with_an_international_name_asks_for_its_ascii_form(folder):
    mistakes = refused(folder, PUBLIC_URL="https://пример.рф")
    assert mistakes == [f"REGISTRATION_PUBLIC_URL {NOT_ASCII}"]


@pytest.mark.parametrize(
    "url", ["http://events.example.org", "http://192.168.1.5:8000", "http://0.0.0.0",
            "http://[2001:db8::1]", "http://onion", "http://localhost.example.org"],
)  # fmt: skip
def test_public_url_without_tls_is_refused_off_this_machine(folder, url):
    assert refused(folder, PUBLIC_URL=url) == [NOT_HTTPS]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("sqlite:////srv/data.sqlite3", "sqlite:////srv/data.sqlite3"),
        ("postgresql+psycopg://u@db/events", "postgresql+psycopg://u@db/events"),
        (
            "postgresql+psycopg://u:p%40%2Fss@[::1]:5432/events",
            "postgresql+psycopg://u:p%40%2Fss@[::1]:5432/events",
        ),
    ],
)
def test_database_url_is_kept_with_its_password(folder, url, kept):
    assert given(folder, DATABASE_URL=url).database_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "nonsense", "sqlite:///", "sqlite://", "postgresql://u@h/d", "mysql://u@h/d",
        "sqlite+aiosqlite:////x", "postgresql+psycopg://host",
        "postgresql+psycopg://u:secret@host:port/database",
    ],
)  # fmt: skip
def test_database_url_of_another_kind_is_refused(folder, url):
    assert refused(folder, DATABASE_URL=url) == [f"REGISTRATION_DATABASE_URL {NO_DATABASE}"]


@pytest.mark.parametrize(
    "url", ["sqlite:///:memory:", "sqlite:///file::memory:?uri=true",
            "sqlite:///file:x?mode=memory&uri=true"],
)  # fmt: skip
def test_a_database_in_memory_is_refused(folder, url):
    assert refused(folder, DATABASE_URL=url) == [f"REGISTRATION_DATABASE_URL {IN_MEMORY}"]


@pytest.mark.parametrize("name", ["with space", "q?uery", "per%41cent", "ha#sh", "Ключ", "a:b"])
def test_the_database_lies_in_the_instance_folder_whatever_its_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    app = create_app({"INSTANCE": str(folder)})
    assert app.extensions["engine"].url.database == str(folder / "registration.sqlite3")


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        ("smtp://localhost", "localhost", 25, "none"),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "none"),
        ("smtp://[::1]", "::1", 25, "none"),
        ("smtps://mail.example.org", "mail.example.org", 465, "tls"),
        ("smtps://[2001:db8::1]:4650", "2001:db8::1", 4650, "tls"),
        ("smtp+starttls://mail.example.org/", "mail.example.org", 587, "starttls"),
        ("SMTPS://Mail.Example.org", "mail.example.org", 465, "tls"),
    ],
)
def test_mail_url_says_server_port_and_encryption(folder, url, host, port, encryption):
    route = given(folder, MAIL_URL=url).mail
    assert (route.host, route.port, route.encryption) == (host, port, encryption)
    assert route.folder is None


@pytest.mark.parametrize(
    ("typed", "user", "password"),
    [
        ("me:secret", "me", "secret"),
        ("me%40example.org:p%40ss%2Fw%23%3F%25%3A", "me@example.org", "p@ss/w#?%:"),
        ("me:p:w", "me", "p:w"),
        ("me:%D0%BF%D0%B0%D1%80", "me", "пар"),
        ("me:a+b", "me", "a+b"),
    ],
)
def test_mail_url_decodes_user_and_password(folder, typed, user, password):
    route = given(folder, MAIL_URL=f"smtps://{typed}@mail.example.org").mail
    assert (route.user, route.password) == (user, password)
    assert route.host == "mail.example.org"


def test_mail_url_names_a_folder_in_the_instance_or_anywhere(folder):
    assert given(folder, MAIL_URL="maildir:kept/here").mail.folder == folder / "kept/here"
    assert given(folder, MAIL_URL="maildir:/srv/letters").mail.folder == Path("/srv/letters")


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org", "maildir:", "maildir: ", "smtps://", "http://mail.example.org",
        "smtps://mail.example.org:0", "smtps://mail.example.org:99999",
        "smtps://mail.example.org/path", "smtps://ho st", "smtps://[::1",
        "smtps://me:1234#x@mail.example.org", "smtps://me:12?x@mail.example.org",
        "smtps://me:12/x@mail.example.org", "smtps://me:pa#ss@mail.example.org",
        "smtps://me@mail.example.org", "smtps://:secret@mail.example.org",
        "smtps://me:secret%FF@mail.example.org", "smtps://m\u2100:secret@mail.example.org",
    ],
)  # fmt: skip
def test_mail_url_that_is_none_is_refused_without_quoting_the_password(folder, url):
    assert refused(folder, MAIL_URL=url) == [f"REGISTRATION_MAIL_URL {NO_MAIL}"]


def test_mail_url_with_an_international_name_asks_for_its_ascii_form(folder):
    assert refused(folder, MAIL_URL="smtps://почта.рф") == [f"REGISTRATION_MAIL_URL {NOT_ASCII}"]


@pytest.mark.parametrize("url", ["smtp://mail.example.org", "smtp://me:secret@10.0.0.2:25"])
def test_mail_without_tls_is_refused_off_this_machine(folder, url):
    assert refused(folder, MAIL_URL=url) == [NOT_TLS]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("events@example.org", "events@example.org"),
        ("Our group <events@example.org>", "Our group <events@example.org>"),
        ("Group, the (main) <events@example.org>", '"Group, the (main)" <events@example.org>'),
        ("Наша группа <events@localhost>", "Наша группа <events@localhost>"),
        ("Group<a.b+c@mail>", "Group <a.b+c@mail>"),
    ],
)
def test_mail_from_is_a_sender(folder, text, written):
    assert str(given(folder, MAIL_FROM=text).mail_from) == written


@pytest.mark.parametrize(
    "text",
    [
        "events", "events@", "@example.org", "a@b@c.org", "<events@example.org>",
        "Group <events@example.org> more", "Group <events>", "a..b@example.org",
        ".a@example.org", "a.@example.org", "a@example..org", "a@.", "a@-", "a@пример.рф",
        "Group <a b@example.org>", "a" * 250 + "@example.org",
    ],
)  # fmt: skip
def test_mail_from_that_is_no_sender_is_refused(folder, text):
    assert refused(folder, MAIL_FROM=text) == [f"REGISTRATION_MAIL_FROM {NO_SENDER}"]


def test_contact_is_an_address(folder):
    assert given(folder, CONTACT="hosts@example.org").contact == "hosts@example.org"


@pytest.mark.parametrize("text", ["hosts", "a@..", "Hosts <hosts@example.org>", "a@b@c", "a @b"])
def test_contact_that_is_no_address_is_refused(folder, text):
    assert refused(folder, CONTACT=text) == [f"REGISTRATION_CONTACT {NO_ADDRESS}"]


def test_site_name_is_a_line(folder):
    assert given(folder, SITE_NAME=" Обсуждения: 2024 ").site_name == "Обсуждения: 2024"
    assert given(folder, SITE_NAME="x" * 100).site_name == "x" * 100


@pytest.mark.parametrize("text", ["A, B", "A; B", "A\\B", "x" * 101])
def test_site_name_that_calendars_misread_is_refused(folder, text):
    assert refused(folder, SITE_NAME=text) == [f"REGISTRATION_SITE_NAME {NO_NAME}"]


@pytest.mark.parametrize(
    "name", ["PUBLIC_URL", "DATABASE_URL", "MAIL_URL", "MAIL_FROM", "CONTACT", "SITE_NAME"]
)
@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x00b", "a\u202eb"])
def test_text_must_be_one_line(folder, name, text):
    assert refused(folder, **{name: text}) == [f"REGISTRATION_{name} {NOT_A_LINE}"]


@pytest.mark.parametrize(("text", "days"), [("1", 1), ("030", 30), (" 7 ", 7), ("3650", 3650)])
def test_retention_days_is_a_number_of_days(folder, text, days):
    assert given(folder, RETENTION_DAYS=text).retention_days == days


@pytest.mark.parametrize(
    "text", ["", "12abc", "0", "3651", "-1", "+5", "1.5", "1e3", "٣٠", "0x1E", "9" * 5000, "true"]
)
def test_retention_days_that_is_no_such_number_is_refused(folder, text):
    assert refused(folder, RETENTION_DAYS=text) == [f"REGISTRATION_RETENTION_DAYS {NO_DAYS}"]


def test_trusted_proxies_is_a_small_number(folder):
    assert given(folder, TRUSTED_PROXIES="2").trusted_proxies == 2
    assert refused(folder, TRUSTED_PROXIES="11") == [f"REGISTRATION_TRUSTED_PROXIES {NO_PROXIES}"]
    assert refused(folder, TRUSTED_PROXIES="all") == [f"REGISTRATION_TRUSTED_PROXIES {NO_PROXIES}"]


def test_debugging_is_refused_where_others_can_reach_it(folder):
    public = {"PUBLIC_URL": "https://events.example.org"}
    sentence = "FLASK_DEBUG must be off where PUBLIC_URL is public."
    assert refused(folder, {"FLASK_DEBUG": "1"}, **public) == [sentence]
    assert given(folder, {"FLASK_DEBUG": "false"}, **public).is_public
    assert not given(folder, {"FLASK_DEBUG": "1"}).is_public


def test_an_unknown_setting_is_refused_with_the_known_ones(folder):
    assert refused(folder, SECRET_KEY="12345") == [
        f"REGISTRATION_SECRET_KEY is not a setting; the settings are {KNOWN}."
    ]


def test_foreign_environment_variables_are_ignored(folder):
    assert given(folder, {"REGISTRATIONS": "x", "PATH": "/bin"}).site_name == "Discussions"


def test_settings_come_from_the_file_and_the_environment_wins(folder):
    in_file(folder, 'SITE_NAME = "Файл"\nRETENTION_DAYS = 7\nCONTACT = "file@example.org"\n')
    found = given(folder, SITE_NAME="Environment")
    assert (found.site_name, found.retention_days) == ("Environment", 7)
    assert found.contact == "file@example.org"


def test_a_right_value_in_the_environment_heals_a_wrong_one_in_the_file(folder):
    in_file(folder, "RETENTION_DAYS = 0\n")
    assert given(folder, RETENTION_DAYS="8").retention_days == 8


def test_the_file_may_begin_with_a_byte_order_mark(folder):
    in_file(folder, b'\xef\xbb\xbfSITE_NAME = "Notes"\r\n')
    assert given(folder).site_name == "Notes"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("RETENTION_DAYS = true", f"RETENTION_DAYS {NO_DAYS}"),
        ('RETENTION_DAYS = "30"', f"RETENTION_DAYS {NO_DAYS}"),
        ("RETENTION_DAYS = 30.0", f"RETENTION_DAYS {NO_DAYS}"),
        ("RETENTION_DAYS = [30]", f"RETENTION_DAYS {NO_DAYS}"),
        ("TRUSTED_PROXIES = false", f"TRUSTED_PROXIES {NO_PROXIES}"),
        ("SITE_NAME = 7", "SITE_NAME must be text, in quotes."),
        ("CONTACT = false", "CONTACT must be text, in quotes."),
        ("PUBLIC_URL = {}", "PUBLIC_URL must be text, in quotes."),
        ("DATABASE_URL = 1", "DATABASE_URL must be text, in quotes."),
        ("MAIL_URL = 2024-03-01", "MAIL_URL must be text, in quotes."),
        ("MAIL_FROM = []", "MAIL_FROM must be text, in quotes."),
        ("site_name = 'x'", f"site_name is not a setting; the settings are {KNOWN}."),
        ("[more]", f"more is not a setting; the settings are {KNOWN}."),
        (
            "INSTANCE = '/srv'",
            "INSTANCE cannot stand in that folder; set REGISTRATION_INSTANCE instead.",
        ),
    ],
)
def test_a_wrong_value_in_the_file_is_named_with_it(folder, line, mistake):
    assert refused(in_file(folder, line)) == [f"settings.toml: {mistake}"]


def test_a_file_that_is_not_toml_is_refused_with_its_line(folder):
    (mistake,) = refused(in_file(folder, "SITE_NAME = 'x'\nRETENTION_DAYS = 030\n"))
    assert mistake == (
        "settings.toml is not TOML: Expected newline or end of document after a statement "
        "(at line 2, column 19)."
    )


@pytest.mark.parametrize("content", ["X = " + "[" * 5000, "X = " + "9" * 5000])
def test_a_file_that_python_cannot_read_is_refused(folder, content):
    (mistake,) = refused(in_file(folder, content))
    assert mistake.startswith("settings.toml is not TOML: ")


def test_a_file_that_is_not_utf8_is_refused(folder):
    in_file(folder, "SITE_NAME = 'Обсуждения'".encode("cp1251"))
    assert refused(folder) == ["settings.toml is not UTF-8: save it as UTF-8."]


def test_a_file_that_cannot_be_opened_is_refused(folder):
    (folder / "settings.toml").mkdir()
    assert refused(folder) == ["settings.toml cannot be read: Is a directory."]


def test_every_mistake_is_told_at_once(folder):
    in_file(folder, "TRUSTED_PROXIES = 99\nNOTHING = 1\n")
    found = refused(
        folder,
        {"PORT": "x", "FLASK_DEBUG": "1"},
        PUBLIC_URL="http://events.example.org",
        MAIL_URL="smtp://mail.example.org",
        RETENTION_DAYS="soon",
        CONTACT="nobody",
    )
    assert found == [
        "PORT must be a whole number from 1 to 65535.",
        f"settings.toml: NOTHING is not a setting; the settings are {KNOWN}.",
        f"REGISTRATION_CONTACT {NO_ADDRESS}",
        f"REGISTRATION_RETENTION_DAYS {NO_DAYS}",
        f"settings.toml: TRUSTED_PROXIES {NO_PROXIES}",
        NOT_HTTPS,
        NOT_TLS,
        "FLASK_DEBUG must be off where PUBLIC_URL is public.",
    ]


def test_the_refusal_reads_as_a_list(folder):
    with pytest.raises(SettingsRefused) as refusal:
        given(folder, CONTACT="x", RETENTION_DAYS="x")
    assert str(refusal.value) == (
        "The settings are refused.\n"
        f"  REGISTRATION_CONTACT {NO_ADDRESS}\n"
        f"  REGISTRATION_RETENTION_DAYS {NO_DAYS}"
    )


def test_overrides_win_over_the_environment(folder):
    environment = {PREFIX + "INSTANCE": "/nowhere", PREFIX + "SITE_NAME": "Environment"}
    found = load(environment, {"INSTANCE": str(folder), "SITE_NAME": "Override", "PORT": 81})
    assert (found.instance, found.site_name) == (folder, "Override")
    assert found.public_url == "http://127.0.0.1:81"
