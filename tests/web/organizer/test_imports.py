"""The import on the desk: looked over first, all or nothing, and nothing kept in between."""

import io
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from registration import app_context
from registration.database import reading
from registration.discussion_file import form_size
from registration.models import AuditEntry, Deed
from registration.web import uploads
from registration.web.organizer import cookies

from ... import builders
from ...desk import signed_in
from ...machine import on_sqlite
from ...visitor import form_of, text_of

IMPORT = "/organizer/discussions/water/attendees/import"
GOOD = "name,email,status\n=A1,a@example.org,confirmed\nӘ,b@example.org,\n".encode()


def send(desk, content: bytes, **fields: Any):
    """Choose a file, and press the button."""
    _target, hidden = form_of(desk.get(IMPORT).text)
    hidden.pop("sheet", None)
    file = FileStorage(io.BytesIO(content), "people.csv")
    return post(desk, IMPORT, hidden | {"sheet": file} | fields)


def post(desk, path: str, fields: dict):
    """Send a form with a file. The test client itself would leave a temporary file behind."""
    boundary, body = encode_multipart(fields)
    return desk.client.post(
        path, data=body, content_type=f"multipart/form-data; boundary={boundary}"
    )


def send_back(desk, page: str):
    """Press the button of the page that shows what would be done."""
    _target, hidden = form_of(page)
    return post(desk, IMPORT, hidden)


def test_an_import_is_shown_first_and_done_as_shown(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    rows = builders.every_row()
    page = send(asel, GOOD)
    told = text_of(page.text)
    assert "2 people are added. not confirmed yet: 1 confirmed: 1" in told
    assert "2 letters are owed." in told
    assert "=A1" in told
    assert builders.every_row() == rows
    assert send_back(asel, page.text).status_code == 303
    assert builders.attendee("a@example.org").name == "=A1"
    assert sorted(builders.letter_kinds()) == ["address_confirmation", "confirmation"]
    with reading() as tx:
        entry = tx.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
    assert (entry.deed, entry.slug, entry.count) == (Deed.IMPORTED, "water", 2)
    # Pressed twice, nothing comes twice.
    rows = builders.every_row()["registrations"]
    send_back(asel, page.text)
    assert builders.every_row()["registrations"] == rows


@on_sqlite
def test_a_stale_page_keeps_the_file_and_odd_fields_are_refused(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    page = send(asel, GOOD).text
    _target, hidden = form_of(page)
    stale = post(asel, IMPORT, hidden | {"csrf_token": "x"})
    assert stale.status_code == 422
    assert send_back(asel, stale.text).status_code == 303
    assert builders.attendee("a@example.org").name == "=A1"
    for odd in ({"sheet": "abc"}, {"content": FileStorage(io.BytesIO(b"abc"), "a")}):
        assert post(asel, IMPORT, odd).status_code == 422


@on_sqlite
def test_skipped_rows_are_named_by_line_and_added_ones_counted(app, clock):
    builders.publish()
    builders.register_and_confirm("a@example.org")
    asel = signed_in(app, clock)
    page = send(asel, GOOD)
    assert "1 is registered already, and stays as they are. Lines: 2." in text_of(page.text)
    done = send_back(asel, page.text)
    assert "1 person was imported." in text_of(asel.get(done.location).text)


@on_sqlite
def test_without_the_tick_nobody_is_written_to(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    page = send(asel, GOOD, is_told="")
    assert "No letter is sent" in text_of(page.text)
    send_back(asel, page.text)
    assert builders.letter_kinds() == []


@on_sqlite
def test_a_faulty_row_stops_the_import_and_every_one_is_named(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    rows = builders.every_row()
    lines = ["name,email", "A,a@example.org", "B,b", "C,c", "D,d@example.org", "E,e", ",f"]
    page = send(asel, "\n".join(lines).encode())
    assert page.status_code == 422
    told = text_of(page.text)
    assert "Line 3-4, 6-7: email is not an e-mail address: no single @." in told
    assert "Line 7: name is empty; a pseudonym is fine." in told
    assert builders.every_row() == rows


@on_sqlite
def test_a_file_that_is_no_csv_of_people_is_refused(app, clock):
    builders.publish()
    asel = signed_in(app, clock)
    for content, said in (
        (b"", "Choose a file that is not empty."),
        ("name,email\nЖ,a@example.org".encode("cp1251"), "Line 2 is not UTF-8: save the file"),
        (b"name\nA", "The first line has no column email"),
        (b"name,email\n<script>,<b>", "Line 2: email is not an e-mail address"),
    ):
        page = send(asel, content)
        assert page.status_code == 422
        assert said in text_of(page.text)
    stale = send(asel, GOOD, csrf_token="x")
    assert stale.status_code == 422
    assert "press the button once more" in text_of(stale.text)
    for content in ("%%%", "é", "", GOOD.decode()):
        answer = asel.client.post(IMPORT, data={"content": content, "csrf_token": token_of(asel)})
        assert answer.status_code == 422


def token_of(desk) -> str:
    return form_of(desk.get(IMPORT).text)[1]["csrf_token"]


@on_sqlite
def test_a_large_file_is_taken_here_alone_and_kept_out_of_temporary_files(
    app, clock, monkeypatch, tmp_path
):
    builders.publish()
    asel = signed_in(app, clock)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", None)
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    content = b"name,email\n" + b"A,no address,%s\n" % (b"x" * 300) * 9000
    page = send(asel, content)
    assert "Line 2-9001: has 3 cells, and the first line has 2." in text_of(page.text)
    other = post(asel, "/registrations/find", {"sheet": FileStorage(io.BytesIO(content), "a.csv")})
    assert other.status_code == 413
    assert send(asel, b"x" * uploads.MAX_UPLOAD_BYTES).status_code == 413


@on_sqlite
@pytest.mark.parametrize("name", ["organizer-device", "__Host-organizer-device"])
def test_the_server_knows_an_organizers_browser_of_each_address_before_there_is_a_request(
    app_with, name
):
    app = app_with(PUBLIC_URL="https://events.example.org", ONION_URL=f"http://{'a' * 56}.onion")
    with app.app_context():
        app_context.open_keys()
        mark = cookies.signed_device("asel")
    limit = app.extensions["body limit"]
    assert limit(IMPORT, f"{name}={mark}") == uploads.MAX_UPLOAD_BYTES
    assert limit(IMPORT, f"{name}=asel") == form_size.MAX_FORM_BYTES


@on_sqlite
def test_the_server_takes_much_only_from_where_an_organizer_has_signed_in(app, clock, visitor):
    builders.publish()
    asel = signed_in(app, clock)
    asel.get(IMPORT)
    limit = app.extensions["body limit"]
    cookie = asel.client.get_cookie("organizer-device")
    ours = f"a=b; organizer-device={cookie.value}"
    desk = "/organizer/discussions"
    assert limit(IMPORT, ours) == uploads.MAX_UPLOAD_BYTES
    for path in (f"{desk}/new", f"{desk}/water/edit", f"{desk}/water/mailings/new"):
        assert limit(path.replace("discussions/new", "new"), ours) == uploads.MAX_DESK_FORM_BYTES
    for path in ("/registrations/find", f"{IMPORT}/x", "/organizer/sign-in"):
        assert limit(path, ours) == form_size.MAX_FORM_BYTES
    for strangers in ("", "organizer-device=1", "organizer-device=" + "x" * 99, "\xff=\xff;;="):
        for path in (IMPORT, f"{desk}/water/edit"):
            assert limit(path, strangers) == form_size.MAX_FORM_BYTES
