"""Whether the service runs. A restore must know, and so must a service that starts beside one.

Both lock the instance's folder itself: the lock ends with its process, leaves nothing behind, and
does not move away with the database's file.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...refusals import Refusal


class ServiceRunning(Refusal):
    """The service runs, and what was asked for needs it stopped."""


class RestoreRunning(Refusal):
    """A backup is being restored, and the service must not start before it is there."""


class InstanceMissing(Refusal):
    """The folder of the installation is not there, or cannot be opened."""


@contextmanager
def lock_for_service(instance: Path) -> Iterator[None]:
    """Run as the service, of which there may be several processes. Raises `RestoreRunning`."""
    refusal = RestoreRunning("A backup is being restored: start the service when that is done.")
    with _locked(instance, fcntl.LOCK_SH, refusal):
        yield


@contextmanager
def lock_for_restore(instance: Path) -> Iterator[None]:
    """Keep the service from starting until the block ends. Raises `ServiceRunning`."""
    refusal = ServiceRunning(
        f"The service of {instance} runs, or another restore does: "
        "stop `flask serve` and `flask outbox deliver --forever` first."
    )
    with _locked(instance, fcntl.LOCK_EX, refusal):
        yield


@contextmanager
def _locked(instance: Path, kind: int, refusal: Refusal) -> Iterator[None]:
    try:
        handle = os.open(instance, os.O_RDONLY)
    except OSError as error:
        raise InstanceMissing(
            f"There is no folder {instance} ({error.strerror}): "
            "make it, or check REGISTRATION_INSTANCE."
        ) from None
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield
    finally:
        os.close(handle)
