"""Publishing: the fields that a file changes, those it never changes, and unchanged files."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from registration import app_context
from registration.database import reading, writing
from registration.discussion_file import read
from registration.models import Discussion, DiscussionStatus, Installation, Registration, Revision
from registration.refusals import Refusal
from registration.services import catalog
from registration.services.catalog import NoSuchDiscussion
from registration.services.discussions import cancellation, publication
from registration.services.discussions.publication import IdentityTaken, MovedIntoThePast, Outcome
from registration.services.discussions.reschedule import MustBeTold
from registration.services.registrations import self_service

from ... import builders
from ...builders import at_once, every_row, file


def publish(
    content: bytes, *, keep_edits: bool = False, quiet: bool = False
) -> publication.Publication:
    """Publish a file in the running app, and return the result."""
    with writing() as tx:
        return publication.publish(tx, read(content), keep_edits=keep_edits, quiet=quiet)


def water() -> Discussion:
    with reading() as tx:
        return catalog.find(tx, "water")


def counters() -> tuple[int, int]:
    """Return SEQUENCE and version of the small discussion."""
    found = water()
    return found.sequence, found.version


def content_version() -> int:
    with reading() as tx:
        return tx.scalar(select(Installation.content_version))


def retitle(title: str) -> None:
    """Change the discussion elsewhere than in its file."""
    edited = read(file(f'title = "{title}"'))
    with writing() as tx:
        found = catalog.find(tx, "water")
        found.announcement = edited


def unpublish() -> None:
    with writing() as tx:
        publication.unpublish(tx, "water")


def test_a_new_discussion_is_published_with_an_identity_of_its_own(app, clock):
    assert publish(file()) == publication.Publication("water", Outcome.PUBLISHED, [])
    found = water()
    assert found.uid.endswith("@127.0.0.1")
    assert len(found.uid) == 36 + len("@127.0.0.1")
    assert (found.sequence, found.version) == (0, 1)
    assert found.status is DiscussionStatus.PUBLISHED
    assert found.published_at == found.changed_at == clock.now
    assert found.organizer_address == "Registration <registration@localhost>"
    assert found.announcement.digest == read(file()).digest
    assert content_version() == 1


@pytest.mark.parametrize("changes", ["", "# a comment"])
def test_the_same_file_again_changes_nothing(app, clock, changes):
    publish(file())
    before = every_row()
    clock.advance(days=1)
    again = file() + changes.encode()
    assert publish(again) == publication.Publication("water", Outcome.UNCHANGED, [])
    assert publish(b"# first\r\n" + again.replace(b"\n", b"\r\n")).outcome is Outcome.UNCHANGED
    assert every_row() == before


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ('title = "Whose water?"', ["title"]),
        ('description = "Other."\nlanguage = "ru"', ["description", "language"]),
        ("seats = 5", ["seats"]),
        ('registration = "closed"', ["registration"]),
    ],
)
def test_other_words_raise_the_version_and_not_the_sequence(app, clock, changes, names):
    publish(file())
    clock.advance(hours=1)
    assert publish(file(changes)) == publication.Publication("water", Outcome.AMENDED, names)
    assert counters() == (0, 2)
    assert water().changed_at == clock.now
    assert water().announcement.digest == read(file(changes)).digest
    assert content_version() == 2


@pytest.mark.parametrize(
    "changes",
    ["ends = 2026-04-02T19:00:00", "starts = 2026-04-02T16:00:00", 'zone = "Asia/Tashkent"'],
)
def test_another_time_raises_the_sequence(app, changes):
    publish(file())
    assert publish(file(changes)).changed == ["time"]
    assert counters() == (1, 2)


def test_a_day_that_gets_its_time_raises_the_sequence(app):
    day = b'slug = "water"\ntitle = "Who owns the water?"\ndate = 2026-04-02\n'
    publish(day)
    assert water().all_day
    timed = day.replace(
        b"date = 2026-04-02",
        b'starts = 2026-04-02T17:00:00\nends = 2026-04-02T18:00:00\nzone = "Asia/Almaty"',
    )
    uid = water().uid
    assert publish(timed).changed == ["time"]
    assert counters() == (1, 2)
    assert not water().all_day
    assert water().uid == uid


def test_two_changes_in_one_second_differ_in_it(app):
    publish(file())
    first = water().changed_at
    publish(file('title = "B"'))
    second = water().changed_at
    publish(file('title = "C"'))
    assert first < second < water().changed_at
    assert len({moment.replace(microsecond=0) for moment in (first, second)}) == 2


def test_earlier_announcements_stay_in_the_revisions(app):
    publish(file())
    publish(file('title = "Whose water?"'))
    with reading() as tx:
        found = tx.scalars(select(Revision).order_by(Revision.number)).all()
    said = [(item.number, item.snapshot["content"]["title"]) for item in found]
    assert said == [(1, "Who owns the water?"), (2, "Whose water?")]


def test_the_identity_is_for_life(app):
    publish(file('uid = "a1b2c3d4@events.example.org"'))
    publish(file('title = "Whose water?"'))
    publish(file("ends = 2026-04-02T20:00:00"))
    assert publish(file('uid = "a1b2c3d4@events.example.org"')).outcome is Outcome.AMENDED
    assert water().uid == "a1b2c3d4@events.example.org"


def test_another_identity_is_refused_and_changes_nothing(app):
    publish(file('uid = "a1b2c3d4@events.example.org"'))
    before = every_row()
    with pytest.raises(IdentityTaken) as refusal:
        publish(file('uid = "other-identity"\ntitle = "Whose water?"'))
    assert str(refusal.value) == (
        "water has the uid a1b2c3d4@events.example.org, which never changes: "
        "write it so, or leave uid out."
    )
    assert every_row() == before


def test_the_identity_of_another_discussion_is_refused(app):
    publish(file('uid = "a1b2c3d4@events.example.org"'))
    before = every_row()
    with pytest.raises(IdentityTaken) as refusal:
        publish(file('slug = "air"\nuid = "a1b2c3d4@events.example.org"'))
    assert str(refusal.value) == (
        "air: the uid a1b2c3d4@events.example.org belongs to the discussion water."
    )
    assert every_row() == before


def test_an_edited_discussion_is_left_alone_where_edits_are_kept(app):
    publish(file())
    retitle("Edited")
    before = every_row()
    again = publish(file('title = "From the file"'), keep_edits=True)
    assert again == publication.Publication("water", Outcome.LEFT_ALONE, [])
    assert every_row() == before


def test_a_file_that_stays_the_same_never_undoes_an_edit(app):
    publish(file())
    retitle("Edited")
    assert publish(file()).outcome is Outcome.UNCHANGED
    assert publish(file(), keep_edits=True).outcome is Outcome.UNCHANGED
    assert water().content.title == "Edited"


def test_a_changed_file_replaces_edits_unless_they_are_kept(app):
    publish(file())
    retitle("Edited")
    assert publish(file('title = "From the file"')).changed == ["title"]
    assert water().content.title == "From the file"
    changed = file('title = "Again from the file"')
    assert publish(changed, keep_edits=True).outcome is Outcome.AMENDED


def test_a_file_that_says_what_was_edited_is_the_file_from_then_on(app):
    publish(file())
    retitle("Edited")
    before = counters()
    assert publish(file('title = "Edited"')).outcome is Outcome.UNCHANGED
    assert counters() == before
    changed = publish(file('title = "Later"'), keep_edits=True)
    assert changed.outcome is Outcome.AMENDED


def test_an_unpublished_discussion_is_cancelled_in_calendars_and_told_once(app):
    publish(file())
    uid = water().uid
    unpublish()
    assert water().status is DiscussionStatus.UNPUBLISHED
    assert counters() == (1, 2)
    unpublish()
    assert counters() == (1, 2)
    assert water().uid == uid


def test_its_file_publishes_an_unpublished_discussion_again(app):
    publish(file())
    unpublish()
    assert publish(file()) == publication.Publication("water", Outcome.PUBLISHED, [])
    assert water().status is DiscussionStatus.PUBLISHED
    assert counters() == (2, 3)


@pytest.mark.parametrize("changes", ["", 'title = "Whose water?"'])
def test_an_unpublished_discussion_stays_so_where_edits_are_kept(app, changes):
    publish(file())
    unpublish()
    before = every_row()
    assert publish(file(changes), keep_edits=True).outcome is Outcome.LEFT_ALONE
    assert every_row() == before


def test_moving_a_discussion_later_postpones_its_attendees_erasure(app, clock):
    builders.publish(file())
    builders.register_and_confirm()
    builders.register(address="bolat@example.org")
    before = builders.registration_of().erase_at
    builders.publish(file("starts = 2026-09-02T17:00:00\nends = 2026-09-02T18:30:00"))
    assert builders.registration_of().erase_at - before == timedelta(days=153)
    # An unconfirmed registration is erased after 72 hours all the same.
    assert builders.registration_of("bolat@example.org").erase_at == clock.now + timedelta(hours=72)


MOVED = "starts = 2026-09-02T17:00:00\nends = 2026-09-02T18:30:00\nseats = 1"


@pytest.fixture
def four(app) -> list[str]:
    """Four registrations: seated, withdrawn, waiting, unconfirmed."""
    builders.publish(file("seats = 1"))
    names = [f"{name}@example.org" for name in ("seated", "withdrawn", "waiting")]
    for name in names:
        builders.register_and_confirm(name)
    builders.register(address="unconfirmed@example.org")
    with writing() as tx:
        registration = tx.get_one(
            Registration, builders.registration_of("withdrawn@example.org").id
        )
        self_service.withdraw(tx, registration)
    builders.deliver()
    return names


def test_a_promised_date_of_erasure_moves_later_only_with_a_letter(app, clock, four):
    promised = [builders.registration_of(name).erase_at for name in four]
    builders.publish(file(MOVED))
    assert builders.letter_kinds().count("change") == 2
    assert [
        builders.registration_of(name).erase_at > date
        for name, date in zip(four, promised, strict=True)
    ] == [
        True,
        False,
        True,
    ]
    clock.advance(minutes=5)
    builders.deliver()
    letters = builders.kept_letters(app)[-2:]
    assert {letter["To"] for letter in letters} == {"seated@example.org", "waiting@example.org"}
    for letter in letters:
        text = " ".join(letter.get_body(("plain",)).get_content().split())
        assert "is erased on 2 October 2026" in text


def test_moving_back_before_anybody_is_told_restores_the_promised_date(app, clock, four):
    promised = [builders.registration_of(name).erase_at for name in four]
    builders.publish(file(MOVED))
    builders.publish(file("seats = 1"))
    assert [builders.registration_of(name).erase_at for name in four] == promised
    clock.advance(minutes=5)
    assert builders.deliver() == 0


def test_quietly_nobody_is_held_for_longer_than_was_promised(app, four):
    before = every_row()
    with pytest.raises(MustBeTold, match="must be told so: it cannot be published quietly"):
        publish(file(MOVED), quiet=True)
    assert every_row() == before
    assert publish(file('title = "Rivers"\nseats = 1'), quiet=True).letters == 0


def test_a_promised_date_stays_while_nobody_is_told_of_a_move(app, clock, four):
    promised = builders.registration_of(four[0]).erase_at
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")
    builders.publish(file(MOVED))
    assert builders.registration_of(four[0]).erase_at == promised
    with writing() as tx:
        cancellation.restore(tx, "water")
    assert builders.registration_of(four[0]).erase_at - promised == timedelta(days=153)
    clock.advance(minutes=5)
    assert builders.deliver() == 2


def test_correcting_the_time_of_a_past_discussion_keeps_promised_dates(app, clock, four):
    promised = builders.registration_of(four[0]).erase_at
    clock.advance(days=32)
    builders.publish(file("ends = 2026-04-02T19:30:00\nseats = 1"))
    assert builders.registration_of(four[0]).erase_at == promised


def test_a_promised_date_stays_when_only_words_change(app, four):
    promised = [builders.registration_of(name).erase_at for name in four]
    app.extensions["settings"] = replace(app_context.settings(), retention_days=90)
    with writing() as tx:
        publication.publish(tx, read(file('title = "R"\nseats = 1')))
    assert [builders.registration_of(name).erase_at for name in four] == promised


def test_a_coming_discussion_is_moved_into_the_past_only_quietly(app, clock):
    publish(file())
    before = every_row()
    past = file("starts = 2025-04-02T17:00:00\nends = 2025-04-02T18:30:00")
    with pytest.raises(MovedIntoThePast, match="water is still to come, and would be over"):
        publish(past)
    assert every_row() == before
    assert publish(past, quiet=True).changed == ["time"]
    # The time of a past discussion may be corrected.
    assert publish(file("starts = 2025-04-02T17:00:00\nends = 2025-04-02T18:00:00")).changed


def test_a_discussion_that_is_not_there_is_not_found(app):
    with reading() as tx, pytest.raises(NoSuchDiscussion) as refusal:
        catalog.find(tx, "air")
    assert str(refusal.value) == "There is no discussion air."


def test_everything_a_file_says_comes_back_from_the_database(app):
    first = read(builders.FIRST.read_bytes())
    assert builders.publish_first().announcement == first


def test_a_file_published_twice_at_once_is_one_discussion(app):
    def act() -> object:
        try:
            return publish(file()).outcome
        except Refusal as refusal:
            return str(refusal)

    found = at_once(app, [act] * 4)
    with reading() as tx:
        assert tx.scalar(select(func.count(Discussion.id))) == 1
    others = {"water was published by somebody else just now: try again.", Outcome.UNCHANGED}
    assert found.count(Outcome.PUBLISHED) == 1
    assert set(found) - {Outcome.PUBLISHED} <= others
    assert counters() == (0, 1)
