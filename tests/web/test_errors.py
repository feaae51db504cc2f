"""Error pages: real pages that echo nothing, and a log that names nobody."""

import logging
import re
from collections.abc import Iterator

import pytest
from flask import Response, request

from registration import create_app
from registration.database import engine, writing
from registration.services.registrations import self_service

from .. import builders
from ..machine import on_sqlite
from ..visitor import Visitor, text_of

pytestmark = on_sqlite
SECRET = "t0ken-of-somebody"


class Failing:
    """Fails after one request, where no handler of errors reaches."""

    def __init__(self, once_for: str) -> None:
        self.path = once_for

    def __call__(self, response: Response) -> Response:
        if request.path.endswith(self.path):
            self.path = "/no more"
            raise ValueError(f"aigerim@example.org with {SECRET}")
        return response


@pytest.fixture
def faulty(instance, clock) -> Iterator[Visitor]:
    """A visitor of a service that has one more page, which fails with a person in its words."""
    app = create_app(instance | {"CONTACT": "hosts@example.org"}, clock=clock)

    def fail(token: str) -> str:
        raise ValueError(f"aigerim@example.org with {token}")

    app.add_url_rule("/faulty/<token>", "faulty", fail)
    app.after_request(Failing(once_for="robots.txt"))
    with app.app_context():
        yield Visitor(app, clock)
        engine().dispose()


def test_every_error_is_a_page_that_echoes_nothing(faulty):
    builders.publish()
    with_form = {"content_type": "application/x-www-form-urlencoded"}
    find = "/registrations/find"
    calendar = f"/registrations/calendar/{held_back()}.ics"
    answers = {
        400: faulty.client.post(f"{find}?{SECRET}", data=b"email=\xff", **with_form),
        404: faulty.get(f"/registrations/{SECRET}"),
        405: faulty.client.put(f"/registrations/{SECRET}"),
        410: faulty.get(f"{calendar}?{SECRET}"),
        413: faulty.client.post(f"{find}?{SECRET}", data={"email": "x" * 600_000}),
        415: faulty.client.post(f"{find}?{SECRET}", json={"email": SECRET}),
        500: faulty.get(f"/faulty/{SECRET}"),
    }
    for status, page in answers.items():
        assert page.status_code == status
        assert page.content_type == "text/html; charset=utf-8"
        assert page.text.startswith("<!doctype html>")
        assert text_of(page.text).count(str(status)) == 1
        assert "All discussions" in page.text
        assert SECRET not in page.text
        assert "example.org" not in page.text.replace("hosts@example.org", "")
        assert page.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert len({page.text for page in answers.values()}) == len(answers)


def held_back() -> str:
    own = builders.register_and_confirm()
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, own.token)
        self_service.withdraw(tx, registration)
    return own.calendar_token


def test_an_unknown_host_is_refused_in_a_sentence(faulty, caplog):
    page = faulty.get("/", Host=f"{SECRET}.example.com")
    assert (page.status_code, page.text) == (400, "This site has another address.")
    assert page.headers["Cache-Control"] == "no-store"
    assert SECRET not in caplog.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "BREW"])
def test_a_wrong_method_tells_which_are_right(faulty, method):
    answer = faulty.client.open(f"/registrations/{SECRET}", method=method)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/%00", "/%FF%FE", "/discussions/%00", "/discussions/" + "x" * 50_000, "/..%2F"],
)
def test_a_strange_path_finds_nothing(faulty, path):
    answer = faulty.get(path)
    assert answer.status_code == 404
    assert "Have the link to your registration sent again" in text_of(answer.text)


def test_a_fault_is_logged_by_its_place_only(faulty, caplog):
    with caplog.at_level(logging.DEBUG):
        assert faulty.get(f"/faulty/{SECRET}?q={SECRET}").status_code == 500
    (record,) = [it for it in caplog.records if it.name == "registration.web.error_log"]
    assert re.match(r"[a-z]{8} faulty failed: ValueError\n", record.getMessage())
    assert "test_errors.py" in record.getMessage()
    for secret in (SECRET, "aigerim", "/faulty/"):
        assert secret not in caplog.text


def test_a_fault_beyond_every_handler_is_logged_by_its_place_only(faulty, caplog):
    with caplog.at_level(logging.DEBUG):
        assert faulty.get(f"/robots.txt?q={SECRET}").status_code == 500
    assert "public.robots failed: ValueError\n" in caplog.text
    for secret in (SECRET, "aigerim", "/robots"):
        assert secret not in caplog.text


def test_the_page_of_a_fault_shows_the_random_id_of_its_log_line(faulty, caplog):
    shown = [quoted(faulty.get(path).text) for path in ("/faulty/x", "/faulty/x", "/robots.txt")]
    assert len(set(shown)) == 3
    assert [record.getMessage().split()[0] for record in caplog.records] == shown


def test_an_error_that_is_not_logged_shows_no_id(faulty, caplog):
    assert "quote" not in text_of(faulty.get("/nothing").text)
    assert "/nothing" not in caplog.text


def quoted(page: str) -> str:
    """Return the id that an error page asks its reader to quote."""
    return re.search(r"quote <code>([a-z]{8})</code>", page)[1]


def test_a_sealed_value_that_does_not_open_is_a_nameless_fault(faulty, caplog):
    builders.publish()
    builders.register()
    token = builders.attendee().token
    with engine().begin() as connection:
        connection.exec_driver_sql("UPDATE registrations SET sealed = x'00'")
    with caplog.at_level(logging.DEBUG):
        assert faulty.get(f"/registrations/{token}").status_code == 500
    assert token not in caplog.text
    assert "own_page.page: A sealed value does not open" in caplog.text


def test_a_service_without_its_key_says_so_and_makes_none(instance, clock, caplog):
    app = create_app(instance, clock=clock)
    keys = app.extensions["settings"].keys
    (key,) = keys.iterdir()
    kept = key.read_text()
    key.unlink()
    visitor = Visitor(app, clock)
    for path in ("/", "/registrations/find", f"/registrations/{SECRET}", "/health/nothing"):
        page = visitor.get(path)
        assert (page.status_code, page.headers["Retry-After"]) == (503, "60")
        assert "what was accepted before is safe" in text_of(page.text)
        assert f"{quoted(page.text)} " in caplog.text
        assert SECRET not in page.text
    assert SECRET not in caplog.text
    assert list(keys.iterdir()) == []
    key.write_text(kept)
    key.chmod(0o600)
    assert visitor.get("/").status_code == 200
    with app.app_context():
        engine().dispose()


def test_a_database_that_is_gone_is_told_by_page_and_log(faulty, caplog):
    builders.publish()
    with engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE letters")
    answer = faulty.fill("/discussions/water/register", name="A", email="a@example.org")
    assert answer.status_code == 503
    assert "What you typed is still here" in text_of(answer.text)
