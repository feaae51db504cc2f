"""Letters kept in a folder, as mail programs and the local mailbox read them."""

import mailbox
import stat

import pytest

from registration.database import reading
from registration.mail import delivery
from registration.mail.delivery import MaildirDelivery, ServerUnavailable, TryLater
from registration.models import Letter, LetterKind

from .. import builders


def test_the_folder_is_made_for_its_owner_only(tmp_path):
    folder = tmp_path / "some" / "letters"
    MaildirDelivery(folder).open()
    made = [folder, folder / "tmp", folder / "new", folder / "cur"]
    assert [stat.S_IMODE(part.stat().st_mode) for part in made] == [0o700] * 4


def test_a_letter_is_kept_byte_for_byte(tmp_path, write):
    message = write(LetterKind.CONFIRMATION)
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    answer, key = batch.send(message)
    batch.close()
    (path,) = (tmp_path / "letters" / "new").iterdir()
    assert (answer, key) == ("kept in the letters' folder", path.name)
    assert path.read_bytes() == message.as_bytes()
    assert list((tmp_path / "letters" / "tmp").iterdir()) == []


def test_the_calendar_part_keeps_its_line_ends(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    _answer, key = batch.send(write(LetterKind.CONFIRMATION))
    message = mailbox.Maildir(tmp_path / "letters")[key]
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
        batch.send(write(LetterKind.LINK))


def test_a_discarded_letter_is_gone_and_a_second_time_changes_nothing(tmp_path, write):
    batch = MaildirDelivery(tmp_path / "letters")
    batch.open()
    _answer, key = batch.send(write(LetterKind.LINK))
    delivery.discard(tmp_path / "letters", key)
    delivery.discard(tmp_path / "letters", key)
    assert list((tmp_path / "letters" / "new").iterdir()) == []


def test_the_database_knows_which_kept_letter_is_whose(app):
    builders.publish()
    builders.register()
    assert builders.deliver() == 1
    (path,) = (app.extensions["settings"].mail.folder / "new").iterdir()
    with reading() as session:
        (letter,) = session.query(Letter)
    assert letter.maildir_key == path.name
