"""flask feed readers: which calendar services fetch the feed, and what they have of it."""

import json

import pytest
from sqlalchemy import text

from registration import app_context
from registration.database import reading, writing
from registration.models import FeedReading
from registration.server import http_server
from registration.services.operations import feed_statistics
from registration.services.operations.feed_statistics import family_of

from .. import builders
from ..machine import on_sqlite

GOOGLE = "Google-Calendar-Importer"
APPLE = "macOS/14.1 (23B74) dataaccessd/1.0"


def fetch(visitor, agent: str | None, etag: str = "") -> str:
    headers = {"If-None-Match": etag} | ({"User-Agent": agent} if agent is not None else {})
    return visitor.client.get("/discussions.ics", headers=headers).headers["ETag"]


def write() -> None:
    with writing() as tx:
        feed_statistics.write(tx, app_context.feed_tally().take())


def readers(app) -> list[dict]:
    done = app.test_cli_runner().invoke(args=["feed", "readers", "--json"])
    assert done.exit_code == 0
    return json.loads(done.output)


def test_fetches_are_counted_by_family_and_day(app, clock, visitor):
    builders.publish()
    clock.advance(seconds=2)
    etag = fetch(visitor, GOOGLE)
    fetch(visitor, GOOGLE, etag)
    clock.advance(minutes=1)
    fetch(visitor, APPLE)
    assert readers(app) == []
    write()
    apple, google = readers(app)
    assert (google["family"], google["fetches_today"], google["share_not_modified"]) == (
        "Google Calendar",
        2,
        0.5,
    )
    assert google["is_current"]
    assert (apple["family"], apple["last_at"]) == ("Apple Calendar", clock.now.isoformat())
    clock.advance(minutes=1)
    fetch(visitor, GOOGLE, etag)
    write()
    assert readers(app)[0]["fetches_today"] == 3
    clock.advance(days=1)
    assert [reader["fetches_today"] for reader in readers(app)] == [0, 0]


def test_a_reader_with_an_older_feed_is_listed_as_such(app, clock, visitor):
    builders.publish()
    clock.advance(seconds=2)
    fetch(visitor, GOOGLE)
    write()
    assert readers(app)[0]["is_current"]
    builders.publish(builders.file('title = "Rivers"'))
    assert not readers(app)[0]["is_current"]
    said = app.test_cli_runner().invoke(args=["feed", "readers"]).output
    assert "what was there on 2026-03-02 12:00" in said
    fetch(visitor, GOOGLE)
    write()
    assert readers(app)[0]["is_current"]


@on_sqlite
def test_nobody_has_fetched_it_yet(app):
    said = app.test_cli_runner().invoke(args=["feed", "readers"]).output
    assert said == "No calendar service has fetched the feed within a month.\n"


@on_sqlite
def test_days_are_forgotten_after_a_month(app, clock, visitor):
    builders.publish()
    fetch(visitor, GOOGLE)
    write()
    clock.advance(days=32)
    fetch(visitor, APPLE)
    write()
    with reading() as tx:
        assert [row.family for row in tx.query(FeedReading)] == ["Apple Calendar"]


@on_sqlite
@pytest.mark.parametrize("agent", [None, "", "x" * 100_000, "\u044f", "Mozilla/5.0\t(%s)"])
def test_any_user_agent_is_counted_and_none_is_kept(app, visitor, agent):
    builders.publish()
    fetch(visitor, agent)
    write()
    (reader,) = readers(app)
    assert reader["family"] in {"another program", "a browser"}


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        (GOOGLE, "Google Calendar"),
        (APPLE, "Apple Calendar"),
        ("iOS/17.1 (21B80) dataaccessd/1.0", "Apple Calendar"),
        ("Microsoft.Exchange/15.20 (ExchangeServicesClient)", "Outlook"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Thunderbird/128.2",
            "Thunderbird",
        ),
        ("Mozilla/5.0 (Nextcloud Server Crawler)", "Nextcloud"),
        ("ICSx5/2.2 (okhttp) Android/14", "ICSx5"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "a browser"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0",
            "a browser",
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "a browser"),
        ("curl/8.5", "another program"),
        ("x" * 600 + "google", "another program"),
    ],
)
def test_families_of_programs(agent, family):
    assert family_of(agent) == family


def test_two_processes_add_up(app, clock, visitor):
    builders.publish()
    fetch(visitor, GOOGLE)
    write()
    fetch(visitor, GOOGLE)
    builders.at_once(app, [write, write])
    assert readers(app)[0]["fetches_today"] == 2


def test_fetches_that_could_not_be_written_are_counted_later(app, clock, visitor, caplog):
    builders.publish()
    fetch(visitor, GOOGLE)
    rename("feed_readings", "gone")
    http_server._write_counts(app)
    assert "was not counted" in caplog.text
    rename("gone", "feed_readings")
    fetch(visitor, GOOGLE)
    http_server._write_counts(app)
    (reader,) = readers(app)
    assert reader["fetches_today"] == 2


def rename(table: str, name: str) -> None:
    with writing() as tx:
        tx.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
