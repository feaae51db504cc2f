"""Plans the seats of a sheet's rows: first for the confirmed, then held ones for the unconfirmed,
then for the waiting; each in the file's order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ....models import REGISTERED, RegistrationStatus
from ...seats.allocation import SEAT_HOLD


@dataclass(slots=True)
class PlannedPlace:
    """The status and the seat, or the place in the queue, that a row gets."""

    status: RegistrationStatus
    seated_at: datetime | None = None
    queue_position: int | None = None
    seat_held_until: datetime | None = None

    @property
    def columns(self) -> dict[str, datetime | int | None]:
        """The values of the registration's columns."""
        return {
            "seated_at": self.seated_at,
            "queue_position": self.queue_position,
            "seat_held_until": self.seat_held_until,
        }


def plan_places(
    wanted: Sequence[tuple[RegistrationStatus, datetime]],
    left: int | None,
    last: int,
    now: datetime,
) -> list[PlannedPlace]:
    """Return the place of each row; `wanted` has its status and when it was registered.

    `left` is the number of free seats (None: unlimited), `last` the last position in the queue.
    """
    given = [PlannedPlace(status) for status, _at in wanted]
    for place in given:
        if place.status is RegistrationStatus.CONFIRMED and left != 0:
            place.seated_at, left = now, left and left - 1
        elif place.status in REGISTERED:
            last += 1
            place.status, place.queue_position = RegistrationStatus.WAITING, last
    for place, (status, at) in zip(given, wanted, strict=True):
        # Held as long as the form would hold it.
        if status is RegistrationStatus.UNCONFIRMED and at + SEAT_HOLD > now and left != 0:
            place.seated_at, place.seat_held_until, left = now, at + SEAT_HOLD, left and left - 1
    for place in given:
        if place.status is RegistrationStatus.WAITING and left != 0:
            place.status, place.queue_position = RegistrationStatus.CONFIRMED, None
            place.seated_at, left = now, left and left - 1
    return given
