"""Public answers: the same bytes for the same content, never stale, and cheap to ask for again."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from registration import create_app, database
from registration.database import writing
from registration.discussion_file import read
from registration.services.discussions import publication

from .. import builders
from ..conftest import install
from ..machine import on_sqlite

ROOT = Path(__file__).parent.parent.parent
PATHS = ["/", "/discussions/water", "/discussions.ics", "/discussions/water.ics", "/privacy"]
CALENDARS = ["/discussions.ics", "/discussions/water.ics"]


@pytest.fixture
def water(app):
    return builders.publish()


@on_sqlite
def test_a_public_answer_may_be_kept_by_anybody_and_sets_no_cookie(water, visitor):
    visitor.get("/discussions/water/register")  # which does set one
    assert visitor.client.get_cookie("session") is not None
    for path in [*PATHS, "/robots.txt"]:
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, no-cache"
        assert answer.get_etag()[1] is False
        assert not {"Set-Cookie", "Vary"} & set(answer.headers.keys())


@on_sqlite
@pytest.mark.parametrize("form", ["{0}", "W/{0}", '"other", {0}', '"other",W/{0} , "third"', "*"])
def test_a_current_copy_is_answered_304_without_a_body(water, visitor, form):
    for path in PATHS:
        etag = visitor.get(path).headers["ETag"]
        answer = visitor.get(path, If_None_Match=form.format(etag))
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Control"] == "public, no-cache"
        sent = set(answer.headers.keys())
        assert not {"Content-Length", "Content-Type", "Set-Cookie"} & sent


@on_sqlite
def test_an_outdated_copy_is_answered_with_the_whole_page(water, visitor):
    for path in PATHS:
        whole = visitor.get(path)
        answer = visitor.get(path, If_None_Match='"other", W/"another"')
        assert (answer.status_code, answer.data) == (200, whole.data)


@on_sqlite
def test_head_answers_as_get_without_a_body(water, visitor):
    for path in [*PATHS, "/robots.txt"]:
        for headers in ({}, {"If-None-Match": "*"}, {"If-None-Match": '"other"'}):
            got = visitor.client.get(path, headers=headers)
            asked = visitor.client.head(path, headers=headers)
            assert (asked.status_code, asked.data) == (got.status_code, b"")
            assert without_date(asked) == without_date(got)


def without_date(answer) -> list[tuple[str, str]]:
    return [item for item in answer.headers if item[0] != "Date"]


@on_sqlite
@pytest.mark.parametrize("path", CALENDARS)
def test_a_calendar_can_be_asked_for_by_time(water, visitor, clock, path):
    clock.advance(hours=1)
    answer = visitor.get(path)
    changed = answer.headers["Last-Modified"]
    assert changed == "Mon, 02 Mar 2026 12:00:00 GMT"
    assert visitor.get(path, If_Modified_Since=changed).status_code == 304
    later = "Mon, 02 Mar 2026 12:30:00 GMT"
    assert visitor.get(path, If_Modified_Since=later).status_code == 304
    for other in ("Mon, 02 Mar 2026 11:59:59 GMT", "yesterday"):
        assert visitor.get(path, If_Modified_Since=other).data == answer.data
    stale = visitor.get(path, If_Modified_Since=changed, If_None_Match='"other"')
    assert stale.status_code == 200


@on_sqlite
def test_two_publications_within_a_second_are_told_apart_by_time(app, visitor, clock):
    builders.publish()
    assert "Last-Modified" not in visitor.get("/discussions.ics").headers
    clock.advance(seconds=0.5)
    builders.publish_first()
    assert "Last-Modified" not in visitor.get("/discussions.ics").headers
    clock.advance(seconds=0.5)
    assert visitor.get("/discussions.ics").headers["Last-Modified"] == (
        "Mon, 02 Mar 2026 12:00:00 GMT"
    )


@on_sqlite
def test_the_accept_header_does_not_change_a_calendar(water, visitor):
    nextcloud = "text/calendar, application/calendar+json, application/calendar+xml"
    for path in CALENDARS:
        for accept in (None, "*/*", "text/html", "image/png", nextcloud, "nonsense;;q="):
            answer = visitor.client.get(path, headers={"Accept": accept} if accept else {})
            assert answer.status_code == 200
            assert answer.content_type == "text/calendar; charset=utf-8"
            assert answer.data.startswith(b"BEGIN:VCALENDAR\r\n")


def test_publishing_the_same_again_changes_no_byte(water, visitor, clock):
    before = [visitor.get(path) for path in PATHS]
    clock.advance(days=1)
    builders.publish()
    for path, answer in zip(PATHS, before, strict=True):
        again = visitor.get(path)
        assert (again.data, again.headers["ETag"]) == (answer.data, answer.headers["ETag"])


def test_an_amendment_is_in_the_next_answer(water, visitor, clock):
    before = {path: visitor.get(path) for path in PATHS[:4]}
    clock.advance(minutes=1)
    builders.publish(builders.file('title = "Whose water is it?"'))
    for path, answer in before.items():
        after = visitor.get(path, If_None_Match=answer.headers["ETag"])
        assert after.status_code == 200
        assert "Whose water is it?" in after.text
        assert "Who owns the water?" not in after.text


def test_a_publication_by_another_process_is_in_the_next_answer(water, instance, visitor, clock):
    before = {path: visitor.get(path) for path in PATHS[:4]}
    other = create_app(instance, clock=clock)
    with other.app_context():
        builders.publish(builders.file('title = "Whose water is it?"'))
        database.engine().dispose()
    for path, answer in before.items():
        after = visitor.get(path)
        assert after.headers["ETag"] != answer.headers["ETag"]
        assert "Whose water is it?" in after.text


def test_an_amendment_that_is_undone_is_not_kept(water, visitor):
    before = visitor.get("/discussions/water").data
    announcement = read(builders.file('title = "Whose water is it?"'))
    with suppress(ZeroDivisionError), writing() as tx:
        publication.publish(tx, announcement)
        raise ZeroDivisionError
    assert visitor.get("/discussions/water").data == before


@pytest.mark.slow
@on_sqlite
def test_processes_of_other_hash_seeds_write_the_same_bytes(app, instance):
    builders.publish(builders.file('recording_url = "https://video.example.org/1"'))
    builders.publish_first()
    database.engine().dispose()
    assert _written(instance, seed="1") == _written(instance, seed="2")


@pytest.mark.slow
@on_sqlite
@pytest.mark.parametrize("elsewhere", ["postgresql"], indirect=True)
def test_another_kind_of_database_gives_the_same_bytes(app, instance, elsewhere, clock):
    there = create_app(elsewhere | {"CONTACT": "hosts@example.org"}, clock=clock)
    install(there)
    for one in (app, there):
        with one.app_context():
            for title in ("Rivers", "Whose water is it?"):
                uid = 'uid = "5f2a@events.example.org"'
                builders.publish(builders.file(f'title = "{title}"\n{uid}'))
            builders.publish_first()
            database.engine().dispose()
    written = [_written(settings, seed) for settings in (instance, elsewhere) for seed in "12"]
    assert written == [written[0]] * 4


def _written(instance: dict, seed: str) -> bytes:
    script = (
        "import json, sys; from registration import create_app\n"
        "client = create_app(json.loads(sys.argv[1])).test_client()\n"
        "for path in sys.argv[2:]:\n"
        "    answer = client.get(path)\n"
        "    assert answer.status_code == 200\n"
        "    sys.stdout.buffer.write(answer.headers['ETag'].encode() + answer.data)\n"
    )
    arguments = [sys.executable, "-c", script, json.dumps(instance), *PATHS]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    answer = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert answer.stdout.count(b"Bloody January") > 3
    return answer.stdout


@on_sqlite
def test_only_existing_pages_are_kept(water, app, visitor):
    for path in [*PATHS, "/discussions/wine", "/discussions/wine.ics", "/nowhere"]:
        visitor.get(path)
        visitor.get(f"{path}?x=1")
    assert {path for path, _language in app.extensions["kept"]} == set(PATHS)


@on_sqlite
@pytest.mark.parametrize("path", ["/", "/discussions/water"])
def test_a_page_written_by_a_clock_ahead_is_written_anew(app, visitor, clock, path):
    builders.publish()
    before = visitor.get(path).data
    clock.advance(days=60)
    assert visitor.get(path).data != before
    clock.advance(days=-59)
    assert visitor.get(path).data == before
