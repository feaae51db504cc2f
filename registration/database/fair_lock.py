"""A first-come, first-served lock, on which the writers of one process queue.

The standard library's locks let new threads overtake waiting ones.
"""

import threading
import time
from collections import deque

# This many threads wait until the lock timeout. Further ones give up when one holder has kept the
# lock for STUCK_SECONDS: a stuck writer must not block every thread of the server.
PATIENT_THREADS = 8
STUCK_SECONDS = 2.0
_POLL_SECONDS = 0.5


class FairLock:
    """A lock for one thread at a time, first come, first served, with a bounded wait."""

    def __init__(self, lock_timeout_seconds: float) -> None:
        self._lock_timeout_seconds = lock_timeout_seconds
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_held = False
        self._began = time.monotonic()

    def acquire(self) -> bool:
        """Wait for the lock; return whether it was acquired in time."""
        with self._guard:
            if not self._is_held:
                self._begin()
                return True
            is_patient = len(self._waiting) < PATIENT_THREADS
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if self._is_given(ticket, is_patient=is_patient):
            return True
        with self._guard:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        return True  # the lock was passed on just as the wait ended

    def release(self) -> None:
        """Give the lock to the next thread in the queue."""
        with self._guard:
            self._is_held = False
            if self._waiting:
                self._begin()
                self._waiting.popleft().release()

    def held_seconds(self) -> float:
        """Return for how long the lock has been held; 0 if it is free."""
        with self._guard:
            return time.monotonic() - self._began if self._is_held else 0.0

    def _begin(self) -> None:
        self._is_held, self._began = True, time.monotonic()

    def _is_given(self, ticket: threading.Lock, *, is_patient: bool) -> bool:
        deadline = time.monotonic() + self._lock_timeout_seconds
        while (left := deadline - time.monotonic()) > 0:
            if ticket.acquire(timeout=left if is_patient else min(left, _POLL_SECONDS)):
                return True
            if time.monotonic() - self._began > STUCK_SECONDS:
                break
        return False
