"""With AT_RISK, answers and attendance are erased a week after the discussion."""

import csv
from datetime import timedelta
from pathlib import Path

from registration import app_context, database
from registration.database import reading, writing
from registration.models import Discussion, Export, Registration
from registration.services.attendees import export_files
from registration.services.attendees.export_records import Source
from registration.services.erasure import answers
from registration.services.operations import health_checks
from registration.services.operations.backups import creation, restoration
from registration.services.registrations import manage, subject_access
from registration.worker import housekeeping

from .. import builders, desk
from ..machine import on_sqlite
from ..visitor import text_of

SAID = {"city": "Almaty", "seat": "Back", "rules": True}
# The small discussion ends at 18:30 in Almaty, 2 April 2026.
PROMISE = "Your answers, and whether you attended, are deleted earlier, on 9 April 2026."


def attended(clock, address: str = "aigerim@example.org") -> str:
    """Register and confirm somebody with answers, and mark them as attended after the end."""
    builders.register_and_confirm(address, answers=SAID)
    public_id = builders.registration_of(address).public_id
    with writing() as tx:
        discussion = builders.catalog.find(tx, "water")
        assert manage.mark_attendance(tx, discussion, [public_id], attended=True) == 1
    return public_id


def published() -> Discussion:
    with reading() as tx:
        return builders.catalog.find(tx, "water")


def round_after(clock, **span: float) -> None:
    """Let the hourly round run that much later, without a jump of the clock in between."""
    end = clock.now + timedelta(**span)
    while clock.now < end:
        clock.now = min(end, clock.now + timedelta(days=1))
        housekeeping.run_hourly()


def test_a_week_after_the_discussion_answers_and_attendance_are_gone(at_risk, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    attended(clock, "bolat@example.org")
    clock.now = published().ends_at
    round_after(clock, days=6.9)
    assert builders.attendee().answers == SAID
    round_after(clock, days=0.2)
    for address in ("aigerim@example.org", "bolat@example.org"):
        assert builders.attendee(address).answers == {}
        assert builders.registration_of(address).attended_at is None
        assert builders.registration_of(address).is_registered
    with reading() as tx:
        assert "Erasure" not in str(health_checks.problems(tx))


def test_a_promise_that_is_not_kept_shows_in_health(at_risk, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    clock.now = published().ends_at + timedelta(days=7, hours=1)
    for is_overdue in (False, True):
        with reading() as tx:
            assert ("Erasure is overdue" in str(health_checks.problems(tx))) is is_overdue
        clock.advance(hours=2)


def test_elsewhere_they_stay_with_the_registration(app, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    clock.now = published().ends_at
    round_after(clock, days=20)
    assert builders.attendee().answers == SAID
    assert builders.registration_of().attended_at


def test_of_a_later_registration_they_are_erased_a_week_after_it(at_risk, clock):
    builders.publish(builders.with_questions('registration = "open"'))
    clock.now = published().ends_at
    round_after(clock, days=5)
    builders.register_and_confirm(answers=SAID)
    round_after(clock, days=6.9)
    assert builders.attendee().answers == SAID
    round_after(clock, days=0.2)
    assert builders.attendee().answers == {}


def test_new_answers_are_erased_in_their_turn(at_risk, clock):
    builders.publish(builders.with_questions('registration = "open"'))
    builders.register(answers=SAID)
    with writing() as tx:  # unconfirmed: the last form wins
        registration = tx.get_one(Registration, builders.registration_of().id)
        registration.answers_erased_at = clock.now
    builders.register_and_confirm(answers=SAID)
    assert builders.registration_of().answers_erased_at is None


def test_exports_on_the_disk_lose_them_too(at_risk, clock, tmp_path):
    builders.publish(builders.with_questions())
    attended(clock)
    clock.now = published().ends_at + timedelta(days=1)
    file, source = tmp_path / "a.csv", Source(reading, writing, app_context.settings().keys)
    names = ["email", "attended", "city"]
    export_files.write(source, "water", file, names, ",", clock.now)
    assert rows(file) == [{"email": "aigerim@example.org", "attended": "yes", "city": "Almaty"}]
    round_after(clock, days=6.1)
    assert rows(file) == [{"email": "aigerim@example.org", "attended": "", "city": ""}]
    with reading() as tx:
        assert [export.is_stale for export in tx.query(Export)] == [False]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


@on_sqlite
def test_no_byte_of_an_answer_is_left_in_the_files(at_risk, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    with reading() as tx:
        sealed = tx.get_one(Registration, builders.registration_of().id).sealed
    clock.now = published().ends_at
    folder = app_context.settings().instance
    round_after(clock, days=6)
    assert any(sealed in path.read_bytes() for path in folder.glob("registration.sqlite3*"))
    round_after(clock, days=1.1)
    assert not any(sealed in path.read_bytes() for path in folder.glob("registration.sqlite3*"))


@on_sqlite
def test_a_restored_backup_loses_them_before_it_serves(at_risk, clock, tmp_path):
    builders.publish(builders.with_questions())
    attended(clock)
    clock.now = published().ends_at
    round_after(clock, days=6.5)
    creation.back_up(database.engine(), tmp_path / "backup", now=clock.now)
    round_after(clock, days=1)
    database.engine().dispose()
    for path in app_context.settings().instance.glob("registration.sqlite3*"):
        path.unlink()
    settings, now = app_context.settings(), clock.now
    restoration.restore(database.engine(), tmp_path / "backup", settings=settings, now=now)
    assert builders.attendee().answers == {}
    assert builders.registration_of().attended_at is None


def test_a_batch_is_one_discussion_and_the_next_one_follows(at_risk, clock, monkeypatch):
    monkeypatch.setattr(answers, "REGISTRATIONS_A_BATCH", 1)
    for slug in ("water", "rivers"):
        builders.publish(builders.file(f'slug = "{slug}"'))
        builders.register_and_confirm(slug=slug, answers=SAID)
        builders.register_and_confirm("bolat@example.org", slug=slug, answers=SAID)
    clock.now = published().ends_at + timedelta(days=7)
    counts = []
    while not counts or counts[-1]:
        with writing() as tx:
            counts.append(answers.erase_due(tx))
    assert counts == [1, 1, 1, 1, 0]


@on_sqlite
def test_form_letter_own_page_and_privacy_page_promise_it(at_risk, visitor_at_risk, clock):
    builders.publish(builders.with_questions())
    assert PROMISE in text_of(visitor_at_risk.get("/discussions/water/register").text)
    person = builders.register_and_confirm(answers=SAID)
    own = f"/registrations/{person.token}"
    held = text_of(visitor_at_risk.get(own).text)
    assert "Answers and attendance deleted9 April 2026, 13:30 UTC" in held
    builders.deliver()
    text = builders.kept_letters(at_risk)[-1].get_body(("plain",)).get_content()
    assert PROMISE in " ".join(text.split())
    page = text_of(visitor_at_risk.get("/privacy").text)
    assert "are deleted earlier, 7 days after the discussion or your registration" in page


@on_sqlite
def test_elsewhere_nobody_promises_it(app, visitor):
    builders.publish(builders.with_questions())
    assert "deleted earlier" not in text_of(visitor.get("/discussions/water/register").text)
    assert "deleted earlier" not in text_of(visitor.get("/privacy").text)


@on_sqlite
def test_afterwards_nobody_is_asked_or_marked_again(at_risk, visitor_at_risk, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    person = builders.attendee()
    clock.now = published().ends_at
    round_after(clock, days=7.1)
    own = f"/registrations/{person.token}"
    assert "question_city" not in visitor_at_risk.get(own).text
    changed = visitor_at_risk.fill(own, "/change", name="", affiliation="KazNU")
    assert changed.status_code == 303
    assert builders.attendee().affiliation == "KazNU"
    public_id = builders.registration_of().public_id
    with writing() as tx:
        found = builders.catalog.find(tx, "water")
        assert manage.mark_attendance(tx, found, [public_id], attended=True) == 0
    asel = desk.signed_in(at_risk, clock)
    page = text_of(asel.get("/organizer/discussions/water/attendees").text)
    assert "Mark those chosen as attended" not in page
    assert "deleted a week after the discussion" in page
    page = text_of(asel.get(f"/organizer/discussions/water/attendees/{public_id}").text)
    assert "Mark as attended" not in page


@on_sqlite
def test_the_attendee_is_told_when_they_were_erased(at_risk, clock):
    builders.publish(builders.with_questions())
    attended(clock)
    clock.now = published().ends_at
    round_after(clock, days=7.1)
    with reading() as tx:
        found = builders.catalog.find(tx, "water")
        held = subject_access.disclose(tx, builders.registration_of(), found)
    assert (held["answers"], held["attended_at"]) == ({}, None)
    assert held["answers_erased_at"]


def test_switched_on_for_an_installation_with_data_it_erases_what_is_due(at_risk, app_with, clock):
    # The same installation with AT_RISK off, as it was before.
    with app_with().app_context():
        builders.publish(builders.with_questions())
        attended(clock)
        clock.now = published().ends_at
        round_after(clock, days=10)
        assert builders.attendee().answers == SAID
    clock.advance(hours=2)
    with app_with(AT_RISK=True).app_context():
        housekeeping.run_hourly()
        assert builders.attendee().answers == {}
    clock.advance(hours=2)
    with app_with().app_context():  # and off again: nothing comes back
        housekeeping.run_hourly()
        assert builders.attendee().answers == {}
