"""Time zones that move: the announced time stays until the audit, which then tells everybody."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from registration.database import reading, writing
from registration.models import Discussion, Revision
from registration.services.discussions import timezone_changes
from registration.worker import housekeeping

from ... import builders
from ...machine import on_sqlite


def announced_with_another_offset() -> None:
    """Make it as if the small discussion had been announced when Almaty was at UTC+6."""
    with writing() as tx:
        found = tx.query(Discussion).one()
        found.starts_at -= timedelta(hours=1)
        found.ends_at -= timedelta(hours=1)


def told_so() -> None:
    """Make it as if attendees had been told those instants."""
    with writing() as tx:
        announced = tx.query(Discussion).one().snapshot
        tx.execute(update(Revision).values(snapshot=announced))


@pytest.fixture
def water(app):
    """A discussion in Almaty, announced before its zone changed, and one attendee."""
    builders.publish()
    builders.register_and_confirm()
    announced_with_another_offset()
    told_so()
    builders.deliver()


def water_now() -> Discussion:
    with reading() as tx:
        return tx.query(Discussion).one()


def test_an_announced_time_stays_until_it_is_audited(app, visitor, water):
    assert "17:00\N{EN DASH}18:30 UTC+6 (Asia/Almaty)" in visitor.get("/discussions/water").text
    assert "DTSTART:20260402T110000Z" in visitor.get("/discussions.ics").text


def test_a_moved_instant_is_mended_and_told(app, clock, visitor, water):
    with writing() as tx:
        (finding,) = timezone_changes.apply_changes(tx)
    assert (finding.slug, finding.letters) == ("water", 1)
    assert (water_now().sequence, water_now().version) == (1, 2)
    assert "UTC+5 (Asia/Almaty)" in visitor.get("/discussions/water").text
    assert "DTSTART:20260402T120000Z" in visitor.get("/discussions.ics").text
    clock.advance(minutes=5)
    builders.deliver()
    letter = builders.kept_letters(app)[-1]
    assert letter["Subject"] == "Changed: Who owns the water?"
    text = letter.get_body(("plain",)).get_content()
    assert text.index("UTC+5 (Asia/Almaty)") < text.index("Until now") < text.index("UTC+6")
    with writing() as tx:
        assert timezone_changes.apply_changes(tx) == []


@on_sqlite
def test_the_round_audits_and_logs(app, clock, water, caplog):
    housekeeping.run_hourly()
    assert builders.letter_kinds()[-1] == "change"
    assert "water: Asia/Almaty has another offset now" in caplog.text


@on_sqlite
def test_the_command_says_what_it_found(app, clock, water):
    runner = app.test_cli_runner()
    done = runner.invoke(args=["discussion", "audit-times"])
    assert done.exit_code == 0
    assert done.output == (
        "water: Asia/Almaty has another offset now: it begins at 2026-04-02 12:00 UTC, not at "
        "2026-04-02 11:00; letters owed: 1.\n"
    )
    done = runner.invoke(args=["discussion", "audit-times"])
    assert done.output == "No coming discussion has moved.\n"
    announced_with_another_offset()
    told_so()
    done = runner.invoke(args=["discussion", "audit-times", "--json"])
    (item,) = json.loads(done.output)
    assert item == {
        "slug": "water",
        "was": "2026-04-02T11:00:00+00:00",
        "now": "2026-04-02T12:00:00+00:00",
        "letters": 1,
    }


@on_sqlite
def test_a_zone_that_has_vanished_is_told_to_the_operator_and_harms_nothing(
    app, clock, visitor, water, caplog
):
    with writing() as tx:
        tx.execute(update(Discussion).values(zone="Asia/Atlantis"))
    housekeeping.run_hourly()
    assert "water: the zone Asia/Atlantis is not known any more" in caplog.text
    for path in ("/", "/discussions/water", "/discussions/water.ics", "/discussions.ics"):
        assert visitor.get(path).status_code == 200
    own = f"/registrations/{builders.attendee().token}"
    assert visitor.get(own).status_code == 200
    builders.register_and_confirm("bolat@example.org")
    assert builders.deliver() == 1


@on_sqlite
def test_a_past_discussion_is_not_audited(app, clock, water):
    clock.advance(days=40)
    with writing() as tx:
        assert timezone_changes.apply_changes(tx) == []


def test_two_audits_at_once_mend_and_tell_once(app, clock, water):
    def mend() -> int:
        with writing() as tx:
            done = timezone_changes.apply_changes(tx)
        return sum(item.letters for item in done)

    assert sum(builders.at_once(app, [mend] * 3)) == 1
    assert (water_now().sequence, water_now().version) == (1, 2)
