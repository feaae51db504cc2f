"""Dates, times, offsets and lists in words of each language."""

from datetime import UTC, date, datetime, timedelta, timezone
from gettext import NullTranslations

import pytest
from markupsafe import escape

from registration.calendars.description import format_when
from registration.models import When
from registration.text import languages, times
from registration.text.languages import lazy_gettext, use_language

ALMATY = timezone(timedelta(hours=5))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "7 December 2023"),
        ("en-US", "December 7, 2023"),
        ("ru", "7 декабря 2023\N{NARROW NO-BREAK SPACE}г."),  # noqa: RUF001
        ("kk", "2023\N{NARROW NO-BREAK SPACE}ж. 7 желтоқсан"),
        ("de", "7. Dezember 2023"),
    ],
)
def test_a_date_is_spoken_in_the_language_of_the_moment(language, words):
    with use_language(language):
        assert times.format_date(date(2023, 12, 7)) == words


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Thursday, 7 December 2023"), ("de", "Donnerstag, 7. Dezember 2023")],
)
def test_a_day_is_spoken_with_its_weekday(language, words):
    with use_language(language):
        assert times.format_day(date(2023, 12, 7)) == words


def test_a_time_is_spoken_as_the_clock_there_shows_it():
    assert times.format_time(datetime(2023, 12, 7, 17, 5, tzinfo=ALMATY)) == "17:05"
    with use_language("en-US"):
        assert times.format_time(datetime(2023, 12, 7, 17, 5, tzinfo=ALMATY)) == "17:05"


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2023, 12, 7, 12, 0, tzinfo=UTC), "7 December 2023, 12:00 UTC"),
        (datetime(2023, 12, 7, 17, 0, tzinfo=ALMATY), "7 December 2023, 12:00 UTC"),
        (datetime(2023, 12, 7, 2, 30, tzinfo=ALMATY), "6 December 2023, 21:30 UTC"),
    ],
)
def test_a_moment_is_spoken_in_utc_whatever_its_zone(moment, words):
    assert times.format_moment(moment) == words


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (5, "UTC+5"),
        (5.5, "UTC+5:30"),
        (-3.5, "UTC\N{MINUS SIGN}3:30"),
        (-10, "UTC\N{MINUS SIGN}10"),
        (0.25, "UTC+0:15"),
        (14, "UTC+14"),
        (0, "UTC"),
    ],
)
def test_an_offset_is_spoken_in_hours_and_minutes(hours, words):
    there = timezone(timedelta(hours=hours))
    assert times.format_offset(datetime(2023, 12, 7, tzinfo=there)) == words


@pytest.mark.parametrize(
    ("language", "items", "words"),
    [
        ("en", [], ""),
        ("en", ["A"], "A"),
        ("en", ["A", "B"], "A and B"),
        ("en", ["A", "B", "C"], "A, B and C"),
        ("en-US", ["A", "B", "C"], "A, B, and C"),
        ("ru", ["A", "B", "C"], "A, B и C"),
    ],
)
def test_a_list_is_spoken_with_its_conjunction(language, items, words):
    with use_language(language):
        assert languages.format_list(items) == words


def test_the_language_ends_with_its_block():
    with use_language("ru"):
        with use_language("kk"):
            assert languages.language() == "kk"
        assert languages.language() == "ru"
    assert languages.language() == "en"


def test_the_language_ends_with_its_block_after_an_error_too():
    with pytest.raises(ZeroDivisionError), use_language("ru"):
        raise ZeroDivisionError
    assert languages.language() == "en"


def test_untranslated_words_are_said_in_english():
    with use_language("zu"):
        assert languages.gettext("Register") == "Register"
        assert languages.ngettext("Speaker", "Speakers", 2) == "Speakers"


def test_a_day_is_named_where_it_is_not_the_one_named_before():
    starts = datetime.fromisoformat("2026-04-02T21:00")
    when = When.of(starts, starts + timedelta(minutes=90), "Asia/Almaty")
    assert format_when(when, "Pacific/Auckland") == (
        "Thursday, 2 April 2026, 21:00\N{EN DASH}22:30 UTC+5 (Asia/Almaty); "
        "Friday, 3 April 2026, 05:00\N{EN DASH}06:30 UTC+13 (Pacific/Auckland); "
        "Thursday, 2 April 2026, 16:00\N{EN DASH}17:30 UTC"
    )


def span(starts: str, ends: str, zone: str = "Asia/Almaty") -> str:
    """Return the words for a span of wall time, an en dash written as a hyphen."""
    when = When.of(datetime.fromisoformat(starts), datetime.fromisoformat(ends), zone)
    return format_when(when).replace("\N{EN DASH}", "-").replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            "Thursday, 2 April 2026, 17:00-18:30 UTC+5 (Asia/Almaty); 12:00-13:30 UTC",
            span("2026-04-02T17:00", "2026-04-02T18:30"),
        ),
        (
            "Thursday, 2 April 2026, 17:00-18:30 UTC",
            span("2026-04-02T17:00", "2026-04-02T18:30", "UTC").removesuffix(" (UTC)"),
        ),
        (
            "Thursday, 8 January 2026, 17:00-18:30 UTC (Europe/London)",
            span("2026-01-08T17:00", "2026-01-08T18:30", "Europe/London"),
        ),
        (
            "Thursday, 8 January 2026, 09:00-10:00 UTC-3:30 (America/St_Johns); 12:30-13:30 UTC",
            span("2026-01-08T09:00", "2026-01-08T10:00", "America/St_Johns"),
        ),
    ],
)
def test_a_span_is_spoken_there_and_in_utc(words, found):
    assert found == words


def test_utc_names_its_day_where_it_is_another():
    assert span("2024-03-05T02:00", "2024-03-05T03:00") == (
        "Tuesday, 5 March 2024, 02:00-03:00 UTC+5 (Asia/Almaty); "
        "Monday, 4 March 2024, 21:00-22:00 UTC"
    )


def test_a_span_over_midnight_names_both_days():
    assert span("2024-03-05T22:00", "2024-03-06T06:00") == (
        "Tuesday, 5 March 2024, 22:00 - Wednesday, 6 March 2024, 06:00 UTC+5 (Asia/Almaty); "
        "Tuesday, 5 March 2024, 17:00 - Wednesday, 6 March 2024, 01:00 UTC"
    )


def test_a_span_in_which_clocks_change_names_both_offsets():
    assert span("2024-02-29T23:00", "2024-03-01T02:00") == (
        "Thursday, 29 February 2024, 23:00 UTC+6 - Friday, 1 March 2024, 02:00 UTC+5 "
        "(Asia/Almaty); Thursday, 29 February 2024, 17:00-21:00 UTC"
    )
    assert span("2026-03-29T00:30", "2026-03-29T03:30", "Europe/London") == (
        "Sunday, 29 March 2026, 00:30 UTC - 03:30 UTC+1 (Europe/London); 00:30-02:30 UTC"
    )


def test_a_whole_day_is_its_date_alone():
    assert format_when(When.day(date(2023, 12, 7))) == "Thursday, 7 December 2023"


def test_a_lazy_string_is_translated_when_it_is_written_and_escaped(monkeypatch):
    class Tagged(NullTranslations):
        def gettext(self, message):
            return f"<{languages.language()}> {message}"

    monkeypatch.setattr(languages, "translations", lambda _language: Tagged())
    label = lazy_gettext("Name")
    with use_language("ru"):
        assert (str(label), f"{label} (1)") == ("<ru> Name", "<ru> Name (1)")
    with use_language("kk"):
        assert escape(label) == "&lt;kk&gt; Name"
