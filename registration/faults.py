"""Logging of faults: by type and place, never by the message, which may contain personal data."""

import traceback


def place_of(fault: BaseException) -> str:
    """Return the type of a fault and the lines of its traceback, without any value."""
    frames = traceback.extract_tb(fault.__traceback__)
    lines = [f"\n  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return type(fault).__name__ + "".join(lines)
