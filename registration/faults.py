"""How a fault is logged: by its kind and place, never by its message, which may hold a person."""

import traceback


def place_of(fault: BaseException) -> str:
    """Return the kind of a fault and the lines of code it went through, without any value."""
    frames = traceback.extract_tb(fault.__traceback__)
    lines = [f"\n  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return type(fault).__name__ + "".join(lines)
