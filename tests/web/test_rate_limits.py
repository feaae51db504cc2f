"""The hourly limits of forms: the clients that share one, the refusal, and the kept text."""

import logging
import time

import pytest

from registration import database
from registration.database import writing
from registration.web.rate_limits import client_of

from .. import builders
from ..machine import on_sqlite
from ..visitor import Visitor, form_of, text_of

FORM = "/discussions/water/register"
FIND = "/registrations/find"
ADDRESS = "aigerim@example.org"
PERSON = {"name": "Айгерим", "email": ADDRESS}
SOON = "This could not be done just now, and nothing has changed. What you typed is still here: "


def limited(app_with, an_hour, **settings):
    """The service where so many forms are taken in an hour."""
    app = app_with(FORMS_AN_HOUR=an_hour, **settings)
    with app.app_context():
        builders.publish()
        yield app


@pytest.fixture
def app(app_with):
    """The service where ten forms are taken in an hour, five for one discussion, one a client."""
    yield from limited(app_with, 10)


def send(app, clock, path=FORM, peer="127.0.0.1", host="localhost", **typed):
    """Send a form, opened two minutes ago, without the clock going on."""
    clock.advance(minutes=-2)
    client, site = Visitor(app, clock).client, f"http://{host}"
    _target, hidden = form_of(client.get(path, base_url=site).text)
    clock.advance(minutes=2)
    where = {"REMOTE_ADDR": peer}
    return client.post(path, base_url=site, data=hidden | typed, environ_overrides=where)


def use_up(app, clock, path=FORM):
    """Send forms until one is refused; return how many were taken, and the refusal."""
    for number in range(99):
        page = send(app, clock, path, name="A", email=f"person{number}@example.net")
        if page.status_code != 303:
            return number, page
    raise AssertionError("there is no limit")


def test_a_form_beyond_the_limit_is_kept_and_accepted_later(app_with, clock):
    for app in limited(app_with, 20):
        builders.publish(builders.with_questions())
        visitor = Visitor(app, clock)
        _target, hidden = form_of(visitor.get(FORM).text)
        typed = PERSON | builders.ANSWERS | {"affiliation": "Institute", "question_ask": "Why?"}
        clock.advance(seconds=10)
        for number in range(10):
            data = hidden | typed | {"email": f"person{number}@example.net"}
            assert visitor.client.post(FORM, data=data).status_code == 303
        clock.advance(minutes=2)
        before = builders.every_row()
        page = visitor.client.post(FORM, data=hidden | typed)
        assert (page.status_code, page.headers["Retry-After"]) == (429, "240")
        assert SOON + "send it again in 4 minutes." in text_of(page.text)
        assert builders.every_row() == before
        _target, again = form_of(page.text)
        assert again.items() >= typed.items()
        assert again["csrf_token"]
        assert visitor.client.post(FORM, data=again).status_code == 429
        clock.advance(seconds=240)
        assert visitor.client.post(FORM, data=again).status_code == 303
        assert builders.attendee().answers["ask"] == "Why?"


@on_sqlite
def test_short_waits_are_told_as_a_minute_and_sent_as_seconds(app, clock):
    use_up(app, clock, FIND)
    clock.advance(seconds=330)
    page = send(app, clock, FIND, email=ADDRESS)
    assert (page.status_code, page.headers["Retry-After"]) == (429, "30")
    assert SOON + "send it again in a minute." in text_of(page.text)


def test_one_discussion_gets_half_and_leaves_the_rest_to_the_others(app, clock):
    for slug in ("air", "fire"):
        builders.publish(builders.file(f'slug = "{slug}"'))
    assert use_up(app, clock)[0] == 5
    assert use_up(app, clock, "/discussions/air/register")[0] == 5
    taken, page = use_up(app, clock, "/discussions/fire/register")
    assert taken == 0
    assert (page.status_code, page.headers["Retry-After"]) == (429, "360")
    assert SOON + "send it again in 6 minutes." in text_of(page.text)
    assert form_of(page.text)[1]["email"] == "person0@example.net"
    clock.advance(minutes=6)
    assert use_up(app, clock, "/discussions/fire/register")[0] == 1


def test_registering_finding_and_changing_do_not_starve_one_another(app, clock):
    person = builders.register_and_confirm()
    builders.publish(builders.file('slug = "air"'))
    assert use_up(app, clock, FIND)[0] == 10
    assert use_up(app, clock)[0] == 5
    assert use_up(app, clock, "/discussions/air/register")[0] == 5
    own = f"/registrations/{person.token}"
    assert Visitor(app, clock).fill(own, action="/change", name="A").status_code == 303


def test_a_change_beyond_the_limit_changes_nothing_and_keeps_what_was_typed(app, clock):
    person = builders.register_and_confirm()
    own = f"/registrations/{person.token}"
    visitor = Visitor(app, clock)
    visitor.client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
    assert visitor.fill(own, action="/change", name="A").status_code == 303
    person = builders.attendee()
    page = visitor.fill(own, action="/change", name="B", email="new@example.org")
    assert (page.status_code, page.headers["Retry-After"]) == (429, "3590")
    assert SOON + "send it again in 60 minutes." in text_of(page.text)
    assert builders.attendee() == person
    target, values = form_of(page.text, "/change")
    assert (values["name"], values["email"]) == ("B", "new@example.org")
    clock.advance(minutes=60)
    assert visitor.client.post(target, data=values).status_code == 303
    assert builders.attendee().new_address == "new@example.org"


def test_acts_that_send_no_letter_to_others_are_not_limited(app, clock):
    builders.register()
    use_up(app, clock, FIND)
    own = f"/registrations/{builders.attendee().token}"
    visitor = Visitor(app, clock)
    for act in ("confirm", "withdraw", "erase"):
        assert visitor.press(own, act).status_code == 303
    assert builders.count_registrations() == 0


@pytest.mark.parametrize("path", [FORM, FIND])
def test_the_limit_does_not_tell_who_is_registered(app, clock, path):
    for known in ("unconfirmed", "confirmed"):
        builders.register(address=f"{known}@example.org")
    builders.confirm("confirmed@example.org")
    names = ("new", "unconfirmed", "confirmed", "unconfirmed", "confirmed")
    taken = [send(app, clock, path, name="A", email=f"{name}@example.org") for name in names]
    assert {page.status_code for page in taken} == {303}
    while path == FIND and send(app, clock, FIND, email="new@example.org").status_code == 303:
        pass
    refused = [send(app, clock, path, name="A", email=f"{name}@example.org") for name in names]
    answers = {(page.status_code, page.headers["Retry-After"]) for page in refused}
    assert len(answers) == 1
    assert answers.pop()[0] == 429


def test_one_client_gets_a_tenth_and_takes_nothing_from_others(app, clock):
    def status(peer):
        return send(app, clock, peer=peer, **PERSON).status_code

    assert [status("192.0.2.1") for _ in range(9)] == [303] + [429] * 8
    assert [status("192.0.2.2"), status("2001:db8::1")] == [303, 303]
    assert status("2001:db8::beef") == 429, "an IPv6 network is one client"
    assert [status("127.0.0.1"), status("::1")] == [303, 303], "behind this machine all look alike"
    assert status("192.0.2.3") == 429, "the discussion has had its five"


def flood(app, clock, peers, path=FORM, host="localhost") -> int:
    """Send forms from each of `peers` until it is refused; return how many were taken."""
    count = 0
    for peer in peers:
        for _ in range(99):
            address = f"person{count}@example.net"
            page = send(app, clock, path, peer, host, name="A", email=address)
            if page.status_code == 429:
                break
            count += 1
    return count


def networks(count: int) -> list[str]:
    """Return an address in each of so many networks."""
    return [f"198.51.100.{number}" for number in range(count)]


@on_sqlite
def test_four_networks_do_not_close_a_form_and_five_do(app_with, clock):
    for app in limited(app_with, 20):
        assert flood(app, clock, networks(4)) == 8
        assert send(app, clock, peer="192.0.2.1", **PERSON).status_code == 303
        assert flood(app, clock, networks(5)[4:]) == 1
        assert send(app, clock, peer="192.0.2.2", **PERSON).status_code == 429


@on_sqlite
@pytest.mark.parametrize("path", [FORM, FIND])
@pytest.mark.parametrize("claimed", ["localhost", f"{'a' * 56}.onion"])
def test_tor_closes_a_form_to_nobody_else(app_with, clock, path, claimed):
    for app in limited(app_with, 40, ONION_URL=f"http://{'a' * 56}.onion"):
        assert flood(app, clock, ["127.0.0.1"] * 9, path, claimed) == (5 if path == FORM else 10)
        for peer in networks(3):
            assert send(app, clock, path, peer, **PERSON).status_code == 303


@on_sqlite
@pytest.mark.parametrize("path", [FORM, FIND])
def test_nobody_else_closes_a_form_to_tor(app_with, clock, path):
    for app in limited(app_with, 40, ONION_URL=f"http://{'a' * 56}.onion"):
        flood(app, clock, networks(12), path)
        assert send(app, clock, path, "192.0.2.1", **PERSON).status_code == 429
        assert send(app, clock, path, "127.0.0.1", **PERSON).status_code == 303


@on_sqlite
def test_a_client_causes_a_tenth_of_the_first_letters_by_all_forms_together(app_with, clock):
    for app in limited(app_with, 4000, LETTERS_AN_HOUR=30):
        assert flood(app, clock, ["192.0.2.1"], FIND) == 3
        page = send(app, clock, peer="192.0.2.1", **PERSON)
        assert (page.status_code, page.headers["Retry-After"]) == (429, "1200")
        assert form_of(page.text)[1]["email"] == ADDRESS
        assert send(app, clock, peer="192.0.2.2", **PERSON).status_code == 303
        clock.advance(minutes=20)
        assert send(app, clock, peer="192.0.2.1", **PERSON).status_code == 303


@pytest.mark.parametrize("path", [FORM, FIND])
def test_the_share_of_letters_does_not_tell_who_is_registered(app_with, clock, path):
    for app in limited(app_with, 4000, LETTERS_AN_HOUR=30):
        builders.register_and_confirm("known@example.org")

        def seen(app, peer, address):
            pages = [send(app, clock, path, peer, name="A", email=address) for _ in range(5)]
            return [(page.status_code, page.headers.get("Retry-After")) for page in pages]

        known, unknown = (
            seen(app, f"192.0.2.{number}", f"{name}@example.org")
            for number, name in enumerate(["known", "unknown"])
        )
        assert known == unknown == [(303, None)] * 3 + [(429, "1200")] * 2


def test_one_who_mistypes_ten_times_is_served_and_a_flood_of_mistakes_is_not(app_with, clock):
    for app in limited(app_with, 40):

        def mistype(app):
            return send(app, clock, peer="192.0.2.1", name="", email="aigerim@")

        assert {mistype(app).status_code for _ in range(10)} == {422}
        assert send(app, clock, peer="192.0.2.1", **PERSON).status_code == 303
        several = [mistype(app).status_code for _ in range(20)]
        assert several == [422] * 14 + [429] * 6
        page = mistype(app)
        assert page.headers["Retry-After"] == "900", "a form without mistakes is accepted then"
        assert form_of(page.text)[1]["email"] == "aigerim@"
        assert "is not a mail domain" in text_of(page.text)
        assert send(app, clock, peer="192.0.2.1", **PERSON).status_code == 429
        assert send(app, clock, peer="192.0.2.2", **PERSON).status_code == 303
        clock.advance(seconds=900)
        assert send(app, clock, peer="192.0.2.1", **PERSON).status_code == 303


TRAPPED = {"website": "x"}
STALE = {"csrf_token": "x"}
UNREAD = b"email=\xff"
IN_PARTS = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 1100 + b"--x--"


@on_sqlite
@pytest.mark.parametrize("path", [FORM, FIND])
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": PERSON | TRAPPED}, 422),
        ({"data": PERSON | STALE}, 422),
        ({"data": UNREAD, "content_type": "application/x-www-form-urlencoded"}, 400),
        ({"data": IN_PARTS, "content_type": "multipart/form-data; boundary=x"}, 413),
        ({"data": {"name": "x" * 70_000}}, 413),
        ({"json": PERSON}, 415),
    ],
)
def test_every_form_that_is_refused_counts_for_its_sender_alone(
    app_with, clock, path, sent, status
):
    for app in limited(app_with, 20):
        for _ in range(16):
            client = Visitor(app, clock).client
            page = client.post(path, environ_overrides={"REMOTE_ADDR": "192.0.2.1"}, **sent)
            assert page.status_code == status
        assert send(app, clock, path, "192.0.2.1", **PERSON).status_code == 429
        assert flood(app, clock, networks(5), path) == 10


@on_sqlite
def test_mistakes_of_tor_leave_the_forms_of_others_alone(app_with, clock):
    for app in limited(app_with, 12, ONION_URL=f"http://{'a' * 56}.onion"):
        pages = [send(app, clock, name="", email="") for _ in range(25)]
        assert [page.status_code for page in pages] == [422] * 24 + [429]
        assert send(app, clock, **PERSON).status_code == 429
        assert send(app, clock, FIND, **PERSON).status_code == 303
        assert flood(app, clock, networks(6)) == 6


@on_sqlite
def test_a_form_with_mistakes_is_given_back_while_nothing_can_be_written(app_with, clock):
    for app in limited(app_with, 20):
        app.config["LOCK_TIMEOUT_SECONDS"] = 0.3
        database.init_app(app, app.extensions["settings"].database_url)
        with writing():
            page = send(app, clock, peer="192.0.2.1", name="", email="aigerim@")
        assert page.status_code == 422
        assert form_of(page.text)[1]["email"] == "aigerim@"
        database.engine().dispose()


@on_sqlite
@pytest.mark.parametrize(("proxies", "statuses"), [(0, [303, 303]), (1, [303, 429])])
def test_only_a_trusted_proxy_says_who_the_client_is(app_with, clock, proxies, statuses):
    for app in limited(app_with, 10, TRUSTED_PROXIES=proxies):
        seen = []
        for invented in ("198.51.100.1", "198.51.100.2"):
            visitor = Visitor(app, clock)
            visitor.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"{invented}, 192.0.2.1"
            seen.append(visitor.fill(FORM, **PERSON).status_code)
        assert seen == statuses


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:2::", "2001:db8:1::/48"),
        ("2001:db8:2:3::", "2001:db8:2::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("127.0.0.1", ""),
        ("127.8.8.8", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("unknown", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_a_network(peer, client):
    assert client_of(peer) == client


@on_sqlite
def test_a_flood_is_refused_without_waiting_for_a_writer(app, clock):
    use_up(app, clock)
    started = time.monotonic()
    with writing():
        assert send(app, clock, **PERSON).status_code == 429
    assert time.monotonic() - started < database.LOCK_TIMEOUT_SECONDS - 1


def test_nothing_of_a_client_is_kept_or_logged(app, clock, caplog):
    caplog.set_level(logging.DEBUG)
    peer = "2001:db8:aaaa:bbbb::1"
    statuses = [send(app, clock, peer=peer, **PERSON).status_code for _ in range(2)]
    assert statuses == [303, 429]
    kept = "".join("".join(rows) for rows in builders.every_row().values())
    for word in ("aaaa:bbbb", "2001:db8", ADDRESS):
        assert word not in kept
        assert word not in caplog.text
