"""Charts: their geometry, in the units of the SVG that a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

WIDTH, HEIGHT = 640, 160
_GAP = 0.2


class Span(Protocol):
    """A span of time and how often something happened in it."""

    @property
    def count(self) -> int:
        """How often."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its rectangle, and the span of time that it shows."""

    x: float
    y: float
    width: float
    height: float
    span: Span


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart and its size."""

    bars: list[Bar]
    width: int = WIDTH
    height: int = HEIGHT


def drawing(spans: Sequence[Span]) -> Drawing:
    """Return a bar for each span, the highest as high as the drawing."""
    most = max((span.count for span in spans), default=0) or 1
    room = WIDTH / max(len(spans), 1)
    bars = []
    for number, span in enumerate(spans):
        height = round(HEIGHT * span.count / most, 2)
        x, width = round(room * (number + _GAP / 2), 2), round(room * (1 - _GAP), 2)
        bars.append(Bar(x, round(HEIGHT - height, 2), width, height, span))
    return Drawing(bars)
