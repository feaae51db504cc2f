"""The supervisor's watchdog: says that the service is ready, and for as long as it answers.

The protocol is that of sd_notify(3) and sd_watchdog_enabled(3). Each sign of life is proved by a
request over a connection of its own: /health, which takes a thread of the server and reads the
database. Without systemd, nothing of this runs.
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
    """The socket on which systemd listens, and how often it wants a sign of life, in seconds."""

    address: str
    interval_seconds: float | None

    def tell(self, state: str) -> None:
        """Send one state, such as `READY=1`; a supervisor that is gone is no reason to end."""
        # A name that begins with @ is one of the abstract namespace: unix(7).
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as line:
                line.sendto(state.encode(), address)
        except OSError as error:
            log.error("The supervisor cannot be told %s: %s.", state, error.strerror)  # noqa: TRY400


def supervisor(environment: Mapping[str, str] = os.environ) -> Supervisor | None:
    """Return the supervisor that has started this process, if it listens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return None
    is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    microseconds = int(environment.get("WATCHDOG_USEC", "0")) if is_for_us else 0
    return Supervisor(address, microseconds / 1_000_000 if microseconds else None)


def run(app: Flask, found: Supervisor, address: tuple[str, int], stop: threading.Event) -> None:
    """Tell the supervisor of each sign of life until `stop`; `address` is the server's own."""
    if found.interval_seconds is None:
        return
    # Two in the time of one, so that one that is late ends nothing.
    pause = found.interval_seconds / 2
    while not stop.wait(pause):
        if is_alive(app, address, timeout_seconds=pause):
            found.tell("WATCHDOG=1")


def is_alive(app: Flask, address: tuple[str, int], *, timeout_seconds: float) -> bool:
    """Whether a request is answered and nothing in this process is stuck.

    An answer that the database is not there is an answer: a restart would not bring it back, and
    forms would not be given back to their visitors meanwhile.
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
