"""When: instants of wall times by the pinned zone database, whole days, and the tense."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registration.models import Tense, When
from registration.models.when import instants, is_zone

ZONES = ["Asia/Almaty", "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Pacific/Apia",
         "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "UTC"]  # fmt: skip
WALL_TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30))  # noqa: DTZ001


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(starts: str, ends: str, zone: str) -> When:
    return When.of(wall(starts), wall(ends), zone)


def test_almaty_is_six_hours_ahead_before_1_march_2024_and_five_after():
    before = span("2024-02-29T17:00", "2024-02-29T18:00", "Asia/Almaty")
    after = span("2024-03-01T17:00", "2024-03-01T18:00", "Asia/Almaty")
    assert (before.starts_at, before.ends_at) == (at("2024-02-29T11:00"), at("2024-02-29T12:00"))
    assert (after.starts_at, after.ends_at) == (at("2024-03-01T12:00"), at("2024-03-01T13:00"))
    assert before.starts_there.utcoffset() == timedelta(hours=6)
    assert after.starts_there.utcoffset() == timedelta(hours=5)


def test_a_span_over_the_change_of_clocks_has_its_true_length():
    night = span("2024-02-29T23:00", "2024-03-01T01:00", "Asia/Almaty")
    assert night.ends_at - night.starts_at == timedelta(hours=3)


def test_only_the_pinned_zone_database_is_read():
    assert zoneinfo.TZPATH == ()


@pytest.mark.parametrize(
    ("local", "zone", "found"),
    [
        ("2024-03-31T02:30", "Europe/Berlin", []),
        ("2024-03-31T01:59:59", "Europe/Berlin", ["2024-03-31T00:59:59"]),
        ("2024-03-31T03:00", "Europe/Berlin", ["2024-03-31T01:00"]),
        ("2024-10-27T02:30", "Europe/Berlin", ["2024-10-27T00:30", "2024-10-27T01:30"]),
        ("2024-10-27T03:00", "Europe/Berlin", ["2024-10-27T02:00"]),
        ("2024-02-29T23:30", "Asia/Almaty", ["2024-02-29T17:30", "2024-02-29T18:30"]),
        ("2024-03-01T00:00", "Asia/Almaty", ["2024-02-29T19:00"]),
        ("2011-12-30T12:00", "Pacific/Apia", []),
        ("2026-07-01T12:00", "Asia/Kathmandu", ["2026-07-01T06:15"]),
        ("2026-07-01T12:00", "UTC", ["2026-07-01T12:00"]),
    ],
)
def test_instants_are_those_at_which_a_clock_shows_the_time(local, zone, found):
    assert instants(wall(local), zone) == [at(item) for item in found]


@given(WALL_TIMES, st.sampled_from(ZONES))
def test_every_instant_shows_the_wall_time_it_was_made_of(local, zone):
    found = instants(local, zone)
    assert len(found) <= 2
    for instant in found:
        assert instant.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) == local
    if len(found) == 1:
        assert When.of(local, local, zone).starts_at == found[0]


def test_a_day_without_a_zone_lasts_while_it_is_that_day_anywhere():
    day = When.day(date(2023, 12, 7))
    assert (day.starts_at, day.ends_at) == (at("2023-12-06T10:00"), at("2023-12-08T12:00"))
    assert (day.starts_local, day.ends_local) == (wall("2023-12-07"), wall("2023-12-08"))
    assert day.starts_there.tzinfo is UTC


def test_a_day_with_a_zone_is_the_day_there():
    day = When.day(date(2023, 12, 7), "Asia/Almaty")
    assert (day.starts_at, day.ends_at) == (at("2023-12-06T18:00"), at("2023-12-07T18:00"))


def test_a_day_that_begins_in_a_gap_begins_when_the_clocks_change():
    day = When.day(date(2026, 3, 29), "Asia/Beirut")
    assert instants(day.starts_local, "Asia/Beirut") == []
    assert (day.starts_at, day.ends_at) == (at("2026-03-28T22:00"), at("2026-03-29T21:00"))


@given(st.dates(date(1970, 1, 2), date(2999, 12, 30)), st.sampled_from([*ZONES, None]))
def test_a_day_follows_the_day_before_it(day, zone):
    today, tomorrow = When.day(day, zone), When.day(day + timedelta(days=1), zone)
    assert today.starts_at < today.ends_at or (zone, day) == ("Pacific/Apia", date(2011, 12, 30))
    if zone:
        assert today.ends_at == tomorrow.starts_at


@pytest.mark.parametrize(
    ("now", "tense"),
    [
        ("2026-04-02T11:59:59", Tense.COMING),
        ("2026-04-02T12:00:00", Tense.ON),
        ("2026-04-02T13:29:59", Tense.ON),
        ("2026-04-02T13:30:00", Tense.PAST),
    ],
)
def test_the_tense_turns_at_start_and_end(now, tense):
    when = span("2026-04-02T17:00", "2026-04-02T18:30", "Asia/Almaty")
    assert when.tense(at(now)) is tense


@pytest.mark.parametrize("name", ["Asia/Almaty", "UTC", "America/Argentina/Ushuaia", "Etc/GMT-5"])
def test_a_zone_is_known_by_its_iana_name(name):
    assert is_zone(name)


@pytest.mark.parametrize(
    "name",
    ["", "Almaty", "Asia/Atlantis", "asia/almaty", "EST", "CET", "GMT", "UTC+5", "+05:00", "Asia",
     "Asia/", "America/Indiana", "/etc/localtime", "../Asia/Almaty", "Asia/../Asia/Almaty",
     "Asia/__init__.py", "Азия/Алматы", "a/" * 500, "Asia/Almaty\x00", "\ud800/x"],
)  # fmt: skip
def test_a_name_outside_the_iana_database_is_no_zone(name):
    assert not is_zone(name)


@given(st.text())
def test_any_text_is_a_zone_or_not(name):
    assert is_zone(name) in {True, False}
