"""Postfix, as Debian ships it, on a free port, with one mailbox for everybody."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from tempfile import TemporaryDirectory

from .machine import require
from .server_process import free_port

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example.org
mydestination =
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_relay_restrictions =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_minimum_uid = 1
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """A running Postfix; `url` is for MAIL_URL."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def empty(self) -> None:
        """Throw away what came so far."""
        for path in (self.folder / "boxes").glob("all/new/*"):
            path.unlink()

    def letters(self, count: int) -> list[EmailMessage]:
        """Wait until so many letters lie in the mailbox, and return them as they came."""
        box = self.folder / "boxes" / "all" / "new"
        deadline = time.monotonic() + 20
        while len(found := sorted(box.glob("*")) if box.exists() else []) < count:
            log = self.folder / "log"
            assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
            time.sleep(0.1)
        assert len(found) == count
        found.sort(key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(path.read_bytes(), policy=default) for path in found]


@contextmanager
def postfix() -> Iterator[Postfix]:
    """Run a Postfix that keeps what comes for example.org, and relays nothing."""
    program = Path("/usr/sbin/postfix")
    require(program.exists(), "Postfix is not installed (apt install postfix)")
    require(os.geteuid() == 0, "Postfix needs root to start")
    with TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True) as place:
        folder, owner = Path(place), pwd.getpwnam("postfix").pw_uid
        folder.chmod(0o755)
        for name in ("conf", "queue", "data", "boxes"):
            (folder / name).mkdir()
        for name in ("data", "boxes"):
            os.chown(folder / name, owner, owner)
        made = Postfix(folder, free_port())
        names = {"folder": folder, "owner": owner, "port": made.port}
        (folder / "conf" / "main.cf").write_text(MAIN.format(**names))
        (folder / "conf" / "master.cf").write_text(MASTER.format(**names))
        command = [program, "-c", folder / "conf"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*command, "start"], check=True, **quiet)
        try:
            yield made
        finally:
            subprocess.run([*command, "stop"], check=False, **quiet)
