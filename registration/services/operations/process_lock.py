"""Keeps the service and a restore from running at the same time.

Both lock the instance's folder itself: the lock ends with its process, leaves no file behind, and
stays where it is when the database file is moved.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ... import files
from ...refusals import OperatorRefusal, Refusal


class ServiceRunning(OperatorRefusal):
    """The service runs, and must be stopped first."""


class RestoreRunning(OperatorRefusal):
    """A backup is being restored, and the service must not start meanwhile."""


class InstanceMissing(OperatorRefusal):
    """The instance's folder does not exist, or cannot be opened."""


@contextmanager
def lock_for_service(instance: Path) -> Iterator[None]:
    """Hold the lock of the service, which several processes share. Raises `RestoreRunning`."""
    refusal = RestoreRunning("A backup is being restored: start the service when that is done.")
    with _locked(instance, refusal, shared=True):
        yield


@contextmanager
def lock_for_restore(instance: Path) -> Iterator[None]:
    """Hold the lock of a restore, which excludes the service. Raises `ServiceRunning`."""
    refusal = ServiceRunning(
        f"The service of {instance} runs, or another restore does: "
        "stop `flask serve` and `flask outbox deliver --forever` first."
    )
    with _locked(instance, refusal, shared=False):
        yield


@contextmanager
def _locked(instance: Path, refusal: Refusal, *, shared: bool) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(instance, shared=shared))
        except BlockingIOError:
            raise refusal from None
        except OSError as error:
            raise InstanceMissing(
                f"There is no folder {instance} ({error.strerror}): "
                "make it, or check REGISTRATION_INSTANCE."
            ) from None
        yield
