"""Turns: whoever asks first has the first one. The writers of one process take them.

A lock of the standard library lets whoever comes overtake those who wait.
"""

import threading
import time
from collections import deque

# So many wait for as long as they may. Whoever comes after them goes away as soon as no turn has
# begun for `STUCK` seconds: what is stuck must not keep every thread from those who only read.
PATIENT, STUCK = 8, 2.0
_LOOK = 0.5


class Turns:
    """One turn at a time, in the order of asking; nobody waits longer than the lock timeout."""

    def __init__(self, lock_timeout_seconds: float) -> None:
        self._lock_timeout_seconds = lock_timeout_seconds
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False
        self._began = time.monotonic()

    def take(self) -> bool:
        """Wait for a turn; return whether it came. Whoever has it must `give` it on."""
        with self._lock:
            if not self._is_taken:
                self._begin()
                return True
            is_patient = len(self._waiting) < PATIENT
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if self._comes(ticket, is_patient=is_patient):
            return True
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        return True  # it came just as the wait was over

    def give(self) -> None:
        """End the turn: the next one in the queue begins."""
        with self._lock:
            self._is_taken = False
            if self._waiting:
                self._begin()
                self._waiting.popleft().release()

    def held_seconds(self) -> float:
        """Return for how long whoever has the turn has had it; 0 if nobody has."""
        with self._lock:
            return time.monotonic() - self._began if self._is_taken else 0.0

    def _begin(self) -> None:
        self._is_taken, self._began = True, time.monotonic()

    def _comes(self, ticket: threading.Lock, *, is_patient: bool) -> bool:
        deadline = time.monotonic() + self._lock_timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            if ticket.acquire(timeout=left if is_patient else min(left, _LOOK)):
                return True
            if time.monotonic() - self._began > STUCK:
                break
        return False
