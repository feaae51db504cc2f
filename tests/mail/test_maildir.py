"""Letters kept in a folder, as mail programs and the local mailbox read them."""

import mailbox
import stat

import pytest
from sqlalchemy import update

from registration import app_context
from registration.database import writing
from registration.mail import maildir
from registration.mail.delivery import MaildirDelivery, ServerUnavailable, TryLater
from registration.models import Letter, LetterKind, LetterState
from registration.services.erasure import erasures
from registration.services.registrations import self_service

from .. import builders

KEY = "0123456789abcdef0123456789abcdef"


def test_the_folder_is_made_for_its_owner_only(tmp_path):
    folder = tmp_path / "some" / "letters"
    MaildirDelivery(folder).open()
    made = [folder, folder / "tmp", folder / "new", folder / "cur"]
    assert [stat.S_IMODE(part.stat().st_mode) for part in made] == [0o700] * 4


def test_a_letter_is_kept_byte_for_byte(tmp_path, write):
    message = write(LetterKind.CONFIRMATION)
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    answer = batch.send(KEY, message)
    batch.close()
    (path,) = (tmp_path / "letters" / "new").iterdir()
    assert answer == "kept in the letters' folder"
    assert path.name == KEY
    assert path.read_bytes() == message.as_bytes()
    assert list((tmp_path / "letters" / "tmp").iterdir()) == []


def test_the_calendar_part_keeps_its_line_ends(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    batch.send(KEY, write(LetterKind.CONFIRMATION))
    (message,) = mailbox.Maildir(tmp_path / "letters")
    contents = [
        part.get_payload(decode=True)
        for part in message.walk()
        if part.get_content_type() in {"text/calendar", "application/ics"}
    ]
    assert len(contents) == 2
    assert contents[0] == contents[1]
    assert contents[0].count(b"\r\n") == contents[0].count(b"\n") > 10


def test_a_folder_that_cannot_be_made_burns_no_letter(tmp_path):
    (tmp_path / "letters").write_text("a file")
    with pytest.raises(ServerUnavailable, match="folder cannot be opened or made: File exists"):
        MaildirDelivery(tmp_path / "letters").open()


def test_a_folder_that_cannot_be_written_is_tried_later(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    (tmp_path / "letters" / "tmp").rmdir()
    (tmp_path / "letters" / "tmp").write_text("a file")
    with pytest.raises(TryLater, match="folder cannot be written: Not a directory"):
        batch.send(KEY, write(LetterKind.LINK))


def test_a_discarded_letter_is_gone_and_a_second_time_changes_nothing(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    message = write(LetterKind.LINK)
    batch.send(KEY, message)
    for _time in range(2):
        maildir.discard(tmp_path / "letters", KEY)
    assert list((tmp_path / "letters" / "new").iterdir()) == []


def test_a_letter_kept_again_takes_the_place_of_the_first(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    message = write(LetterKind.LINK)
    batch.send(KEY, message)
    batch.send(KEY, message)
    assert len(list((tmp_path / "letters" / "new").iterdir())) == 1


def test_a_letter_that_a_mail_program_has_read_is_discarded_too(tmp_path, write):
    folder = tmp_path / "letters"
    batch = MaildirDelivery(folder)
    batch.open()
    message = write(LetterKind.LINK)
    batch.send(KEY, message)
    (folder / "new" / KEY).rename(folder / "cur" / f"{KEY}:2,S")
    assert maildir.newest_first(folder) == [KEY]
    maildir.discard(folder, KEY)
    assert maildir.newest_first(folder) == []


def test_a_letter_kept_before_a_crash_is_erased_with_its_registration(app, clock):
    builders.publish()
    builders.register()
    builders.deliver()
    with writing() as tx:  # as if the worker had ended between keeping and marking
        tx.execute(update(Letter).values(state=LetterState.OWED, sent_at=None))
    with writing() as tx:
        registration, _discussion = self_service.by_token(tx, builders.attendee().token)
        erasures.erase(tx, registration, letters=app_context.letters_folder())
    assert builders.kept_letters(app) == []
