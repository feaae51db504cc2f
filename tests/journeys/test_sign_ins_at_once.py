"""Twenty organizers sign in at the same moment, at full cost, while others read pages."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from registration.services.organizers import passwords

from .. import builders, desk
from ..machine import on_sqlite
from ..server_process import Server
from ..visitor import form_of

SIGN_IN = "/organizer/sign-in"
AT_ONCE = 20


@pytest.mark.slow
@on_sqlite
def test_twenty_sign_ins_at_once_are_answered_and_pages_meanwhile(app, clock, instance, tmp_path):
    builders.publish()
    app.config["PASSWORD_COST"] = passwords.FULL_COST
    known = desk.signed_in(app, clock)
    with Server(instance, "--without-mail", log=tmp_path / "log") as server:
        assert server.get("/discussions/water").status == 200
        page = server.get(SIGN_IN)
        cookie = page.getheader("Set-Cookie").split(";")[0]
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        typed = form_of(page.text)[1] | {"email": known.address, "password": "x" * 20}
        body = urlencode(typed | {"code": "123456"}).encode()
        begin = threading.Barrier(AT_ONCE + 1)

        def sign_in() -> tuple[int, str | None, float]:
            begin.wait()
            started = time.monotonic()
            answer = server.ask("POST", SIGN_IN, body, **headers)
            return answer.status, answer.getheader("Retry-After"), time.monotonic() - started

        with ThreadPoolExecutor(AT_ONCE) as clients:
            coming = [clients.submit(sign_in) for _ in range(AT_ONCE)]
            begin.wait()
            pages = []
            while not all(it.done() for it in coming):
                started = time.monotonic()
                assert server.get("/discussions/water").status == 200
                pages.append(time.monotonic() - started)
                time.sleep(0.02)
        answers = [it.result() for it in coming]
    # Wrong, or to be sent again: none is left without an answer.
    assert {it[:2] for it in answers} <= {(422, None), (503, "5")}
    assert max(it[2] for it in answers) < passwords.LONGEST_WAIT_SECONDS + 1.5
    assert sorted(pages)[len(pages) // 2] < 0.1
    assert len(pages) > 5


@on_sqlite
def test_a_link_with_a_full_stop_does_not_hold_the_sign_in_up(app, clock, instance, visitor):
    asel = desk.signed_in(app, clock)
    path = f"{SIGN_IN}?next=/organizer/discussions/{'round-table-of-autumn-2027' * 20}."
    started = time.monotonic()
    assert asel.sign_in(path).headers["Location"] == "/organizer/"
    assert time.monotonic() - started < 1
