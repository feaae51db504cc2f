"""Notifications to systemd: the service is ready, and still answers (watchdog).

The protocol is that of sd_notify(3) and sd_watchdog_enabled(3). Before each notification the
watchdog requests /health over a new connection, which needs a thread of the server and reads the
database. Without systemd it does not run.
"""

import logging
import os
import socket
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from flask import Flask

from .. import app_context
from ..config import Settings, is_loopback

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """systemd's notification socket, and how often it expects a notification."""

    address: str
    interval_seconds: float | None

    def tell(self, state: str) -> None:
        """Send one state, such as `READY=1`. A failure is logged only."""
        # A name that begins with @ belongs to the abstract namespace: unix(7).
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as line:
                line.sendto(state.encode(), address)
        except OSError as error:
            log.error("The supervisor cannot be told %s: %s.", state, error.strerror)  # noqa: TRY400


def supervisor(environment: Mapping[str, str] = os.environ) -> Supervisor | None:
    """Return the supervisor that has started this process; None if it does not listen."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return None
    is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = int(environment.get("WATCHDOG_USEC", "0")) if is_for_us else 0
    return Supervisor(address, microseconds / 1_000_000 if microseconds else None)


def run(app: Flask, watcher: Supervisor, address: tuple[str, int], stop: threading.Event) -> None:
    """Notify the supervisor until `stop`, while the service at `address` is alive."""
    if watcher.interval_seconds is None:
        return
    # Two notifications in each interval, so that a late one does not cause a restart.
    pause_seconds = watcher.interval_seconds / 2
    while not stop.wait(pause_seconds):
        if is_alive(app, address, timeout_seconds=pause_seconds):
            watcher.tell("WATCHDOG=1")


def is_alive(app: Flask, address: tuple[str, int], *, timeout_seconds: float) -> bool:
    """Whether a request is answered and no operation of this process is stuck.

    An answer that the database is unavailable counts: a restart would not bring the database back,
    and meanwhile visitors could not get their forms back.
    """
    with app.app_context():
        settings, stuck = app_context.settings(), app_context.find_stuck()
    for sentence in stuck:
        log.error("%s", sentence)
    return not stuck and _answers(settings, address, timeout_seconds)


def _reachable(host: str) -> str:
    """Return an address of this machine at which a server bound to `host` is reached."""
    try:
        address = ip_address(host)
    except ValueError:  # a name
        return host
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"


def _answers(settings: Settings, address: tuple[str, int], timeout_seconds: float) -> bool:
    host, port = address
    own = _reachable(host)
    named = own if is_loopback(own) else settings.host
    try:
        with closing(HTTPConnection(own, port, timeout=timeout_seconds)) as connection:
            connection.request("GET", "/health", headers={"Host": named})
            return connection.getresponse().status in {200, 503}
    except (OSError, HTTPException):
        log.error("The service does not answer its own request.")  # noqa: TRY400
        return False
