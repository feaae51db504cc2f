"""One trial: an installation that is served, people who register, and a comparison in the end."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..server_process import FLASK, Server
from .clients import Ledger, Mailbox
from .comparing import Comparison, compare
from .figures import Figure, Scale
from .installations import Installation, has_postgres, installed, skipped
from .people import People


@dataclass(slots=True)
class Trial:
    """The servers of a trial; the results are there when it is over."""

    made: Installation
    mail: Mailbox
    server: Server
    people: People
    log: Path
    compared: Comparison | None = None
    is_clean: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing was lost or told wrongly, and no fault was logged."""
        return self.is_clean and self.compared is not None and self.compared.is_sound


@contextmanager
def trial(
    kind: str, folder: Path | None = None, program: tuple[str, ...] = FLASK
) -> Iterator[Trial]:
    """Serve an installation (below `folder`); afterwards deliver what is owed, and compare."""
    ledger = Ledger()
    with (
        TemporaryDirectory(prefix="logs-") as logs,
        Mailbox() as mail,
        installed(kind, folder, MAIL_URL=mail.url) as made,
    ):
        with Server(made.settings, log=Path(logs, "serve.log"), program=program) as server:
            people = People(server, ledger)
            tried = Trial(made, mail, server, people, Path(logs, "strace.log"))
            yield tried
            tried.is_clean = "Traceback" not in server.output
        made.drain()
        with made.seen():
            tried.compared = compare(ledger, mail.arrived)


def on_both(scale: Scale, try_on: Callable[[str], Iterable[Figure]]) -> Iterator[Figure]:
    """Try on SQLite and, except in brief, on PostgreSQL."""
    yield from try_on("sqlite")
    if scale is Scale.BRIEF:
        return
    if has_postgres():
        yield from try_on("postgresql")
    else:
        yield skipped("the same on PostgreSQL", "it is not installed")
