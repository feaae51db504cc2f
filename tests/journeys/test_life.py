"""One discussion's whole life: at each step, page, feed, file, letters and personal calendar tell
the same, and attendees' calendars end right in whatever order the letters come."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import html5lib
import pytest
from flask import Flask

from registration.database import reading, writing
from registration.services import catalog
from registration.services.discussions import cancellation
from registration.worker import housekeeping

from .. import builders
from ..builders import file
from ..calendars import rfc5545
from ..calendars.libical import Client
from ..conftest import Clock
from ..visitor import Visitor

pytestmark = pytest.mark.slow

JOIN = 'join_url = "https://meet.example.org/room"\nseats = 2\n'
DAY = file("date = 2026-04-02\n" + JOIN, without="starts").replace(
    b"ends = 2026-04-02T18:30:00\n", b""
)
TIMED = file(JOIN)
MOVED = file(JOIN + "starts = 2026-04-09T19:00:00\nends = 2026-04-09T20:30:00")
RECORDED = file(
    JOIN
    + "starts = 2026-04-09T19:00:00\nends = 2026-04-09T20:30:00\n"
    + 'recording_url = "https://tube.example.org/v"'
)
AIGERIM, BOLAT, DINA = "aigerim@example.org", "bolat@example.org", "dina@example.org"


@dataclass
class Life:
    """The discussion as the world sees it."""

    app: Flask
    clock: Clock
    visitor: Visitor

    def deliver(self) -> dict[str, str]:
        """Wait until all is due, deliver it, and return the subjects by address."""
        before = len(builders.kept_letters(self.app))
        self.clock.advance(minutes=5)
        housekeeping.run_every_minute()
        builders.deliver()
        letters = builders.kept_letters(self.app)[before:]
        return {str(letter["To"]): str(letter["Subject"]).partition(":")[0] for letter in letters}

    def invitations(self) -> dict[str, list[bytes]]:
        """Return what came to each address for a calendar, in order."""
        found = defaultdict(list)
        for letter in builders.kept_letters(self.app):
            for part in letter.walk():
                if part.get_content_type() == "text/calendar":
                    found[str(letter["To"])].append(part.get_payload(decode=True))
        return found

    def agree(self, *seated: str) -> None:
        """Compare all that is told: publicly, in letters to the `seated`, in their calendars."""
        with reading() as tx:
            is_now = catalog.find(tx, "water")
        page = self.visitor.get("/discussions/water").text
        feed, one = self._event("/discussions.ics"), self._event("/discussions/water.ics")
        told = self._jsonld(page)
        for name in ("UID", "SEQUENCE", "DTSTART", "DTEND", "STATUS", "SUMMARY", "LAST-MODIFIED"):
            assert feed[name].value == one[name].value
        assert feed["UID"].text == told["identifier"] == is_now.uid
        assert feed["SEQUENCE"].value == str(is_now.sequence)
        is_off = feed["STATUS"].text == "CANCELLED"
        assert is_off == told["eventStatus"].endswith("Cancelled") == ("cancelled" in page)
        starts = datetime.fromisoformat(told["startDate"])
        assert feed["DTSTART"].value == _as_value(starts, all_day=is_now.all_day)
        assert "meet.example.org" not in page + self.visitor.get("/discussions.ics").text
        for address in seated:
            can_be_joined = not is_off and not is_now.content.recording_url
            self._agrees(address, feed, is_off=is_off, can_be_joined=can_be_joined)

    def _agrees(
        self, address: str, feed: rfc5545.Component, *, is_off: bool, can_be_joined: bool
    ) -> None:
        token = builders.attendee(address).calendar_token
        own = self._event(f"/registrations/calendar/{token}.ics")
        sent = rfc5545.read(self.invitations()[address][-1])
        for name in ("UID", "DTSTART", "DTEND", "STATUS", "SUMMARY"):
            assert own[name].value == sent.event[name].value == feed[name].value
        assert own["SEQUENCE"].value == sent.event["SEQUENCE"].value
        assert sent["METHOD"].text == ("CANCEL" if is_off else "REQUEST")
        assert ("LOCATION" in own.names) == can_be_joined
        if can_be_joined:
            assert own["LOCATION"].text == sent.event["LOCATION"].text

    def _event(self, path: str) -> rfc5545.Component:
        answer = self.visitor.get(path)
        assert answer.status_code == 200
        return rfc5545.read(answer.data).event

    def _jsonld(self, page: str) -> dict:
        tree = html5lib.parse(page, namespaceHTMLElements=False)
        (script,) = [it for it in tree.iter("script") if it.get("type") == "application/ld+json"]
        return json.loads(script.text)


def _as_value(starts: datetime, *, all_day: bool) -> str:
    return f"{starts:%Y%m%d}" if all_day else f"{starts.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@pytest.fixture
def life(app, clock, visitor) -> Life:
    return Life(app, clock, visitor)


def cancel() -> None:
    with writing() as tx:
        cancellation.cancel(tx, "water", "Ill.")


def restore() -> None:
    with writing() as tx:
        cancellation.restore(tx, "water")


def test_a_life_is_told_the_same_everywhere_at_every_step(life):
    # It is announced for a day; two get the seats, one waits.
    uid = builders.publish(DAY).uid
    builders.register_and_confirm(AIGERIM, wants_follow_up=True)
    builders.register_and_confirm(BOLAT)
    builders.register_and_confirm(DINA)
    assert life.deliver() == {
        AIGERIM: "You are registered",
        BOLAT: "You are registered",
        DINA: "You are on the waiting list",
    }
    life.agree(AIGERIM, BOLAT)
    # The time is set.
    builders.publish(TIMED)
    assert life.deliver() == dict.fromkeys((AIGERIM, BOLAT, DINA), "Changed")
    life.agree(AIGERIM, BOLAT)
    # A reminder is due; then it is moved by a week.
    life.clock.now = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
    assert life.deliver() == dict.fromkeys((AIGERIM, BOLAT), "Reminder")
    builders.publish(MOVED)
    assert life.deliver() == dict.fromkeys((AIGERIM, BOLAT, DINA), "Changed")
    life.agree(AIGERIM, BOLAT)
    # One withdraws, and the one who waits has the seat.
    life.visitor.press(f"/registrations/{builders.attendee(BOLAT).token}", "withdraw")
    assert life.deliver() == {BOLAT: "You have withdrawn", DINA: "You have a seat"}
    life.agree(AIGERIM, DINA)
    ended = life.visitor.get(
        f"/registrations/calendar/{builders.attendee(BOLAT).calendar_token}.ics"
    )
    assert ended.status_code == 410
    # It is cancelled, and takes place after all.
    cancel()
    assert life.deliver() == dict.fromkeys((AIGERIM, DINA), "Cancelled")
    life.agree(AIGERIM, DINA)
    restore()
    assert life.deliver() == dict.fromkeys((AIGERIM, DINA), "Takes place after all")
    life.agree(AIGERIM, DINA)
    # It is near, takes place, and there is a recording.
    life.clock.now = datetime(2026, 4, 9, 13, 0, tzinfo=UTC)
    assert life.deliver() == dict.fromkeys((AIGERIM, DINA), "Reminder")
    life.clock.advance(hours=4)
    assert life.deliver() == {}
    builders.publish(RECORDED)
    assert life.deliver() == {AIGERIM: "What came of it"}
    life.agree(AIGERIM, DINA)
    _calendars_end_right(life, uid)
    life.clock.advance(days=30)
    housekeeping.run_hourly()
    life.clock.advance(days=2)
    housekeeping.run_hourly()
    with reading() as tx:
        assert catalog.find(tx, "water").content.recording_url
    assert life.visitor.get("/discussions/water").status_code == 200


def _calendars_end_right(life: Life, uid: str) -> None:
    """Give the letters to calendars, in order and out of order: each ends with the same."""
    for address, letters in life.invitations().items():
        in_order = _calendar_of(letters)
        assert set(in_order.entries) == {uid}, "no entry comes twice"
        entry = in_order.entries[uid]
        assert entry.is_shown == (address != BOLAT)
        if entry.is_shown:
            assert (entry["DTSTART"], entry["STATUS"]) == ("20260409T140000Z", "CONFIRMED")
            assert ("tube.example.org" in entry["DESCRIPTION"]) == (address == AIGERIM)
        for seed in range(20):
            shuffled = random.Random(seed).sample(letters, len(letters))
            assert _calendar_of(shuffled).entries == in_order.entries


def _calendar_of(letters: list[bytes]) -> Client:
    client = Client()
    for letter in letters:
        client.receive(letter)
    return client
