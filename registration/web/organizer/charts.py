"""Charts as SVG: only the geometry, in the units of the drawing; the template draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...services.attendees.statistics import Span

WIDTH, HEIGHT = 640, 160
_GAP = 0.2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands, and what it shows."""

    x: float
    y: float
    width: float
    height: float
    span: Span


def bars(spans: Sequence[Span]) -> list[Bar]:
    """Return a bar for each span of days, the highest as high as the drawing."""
    most = max((span.count for span in spans), default=0) or 1
    room = WIDTH / max(len(spans), 1)
    drawn = []
    for number, span in enumerate(spans):
        height = round(HEIGHT * span.count / most, 2)
        x, width = round(room * (number + _GAP / 2), 2), round(room * (1 - _GAP), 2)
        drawn.append(Bar(x, round(HEIGHT - height, 2), width, height, span))
    return drawn
