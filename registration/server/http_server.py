"""The production server with its mail worker in one process."""

import logging
import resource
import signal
import threading
import time
from typing import Any

import click
from flask import Flask
from waitress.server import BaseWSGIServer, create_server

from .. import app_context, faults
from ..database import writing
from ..refusals import Refusal
from ..services.operations import feed_statistics
from ..worker import loop
from . import watchdog
from .request_parser import Channel

LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_HEAD = 32 * 1024
# Connections held at once, and files that the process needs beside them.
CONNECTIONS, OTHER_FILES = 4000, 100
# Seconds of silence after which a connection is closed. Proxies keep theirs for a minute.
SILENCE = 75
# More than can wait at once for the database (fair_lock.PATIENT_THREADS) and for the check of a
# password (passwords.QUEUE_LENGTH), so that some are always left to answer pages.
THREADS = 32
# Seconds that requests and the letter in hand are given to finish after SIGTERM.
GRACE = 20.0
# Seconds between two writings of who fetched the feed.
COUNTING = 60.0

log = logging.getLogger(__name__)


class CannotBind(Refusal):
    """The address cannot be listened on."""


def serve(app: Flask, host: str, port: int, *, with_mail: bool) -> None:
    """Serve pages and calendars, and send mail, until SIGTERM or SIGINT.

    Raises `CannotBind`. Runs in the app's context.
    """
    logging.getLogger("waitress").addFilter(without_visitors)
    # Neither how many wait nor who came without a cookie is news.
    for chatty in ("waitress.queue", "flask_wtf.csrf"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    server = _server(app, host, port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(stop, server))
    # A daemon: a mail server that hangs must not hold the end up; its letter is owed still.
    mail = threading.Thread(target=loop.run, args=(app, stop), name="mail", daemon=True)
    if with_mail:
        mail.start()
    click.echo(f"Serving {app_context.settings().public_url} (Ctrl+C stops it)")
    counting = threading.Thread(target=_count, args=(app, stop), name="readers", daemon=True)
    counting.start()
    supervisor = watchdog.supervisor()
    if supervisor:
        address = (host, server.effective_port)
        alive = (app, supervisor, address, stop)
        threading.Thread(target=watchdog.run, args=alive, name="watchdog", daemon=True).start()
        supervisor.tell("READY=1")
    _serve_until(stop, server)
    counting.join(GRACE)
    if with_mail:
        mail.join(GRACE)


def _count(app: Flask, stop: threading.Event) -> None:
    """Write who fetched the feed, now and then, and at the end."""
    while not stop.wait(COUNTING):
        _write_counts(app)
    _write_counts(app)


def _write_counts(app: Flask) -> None:
    with app.app_context():
        counts = app_context.feed_tally().take()
        if not counts:
            return
        try:
            with writing() as tx:
                feed_statistics.write(tx, counts)
        except Exception as error:  # noqa: BLE001  # no fault may end the counting for good
            app_context.feed_tally().put_back(counts)
            log.warning("Who fetched the feed was not counted: %s", faults.place_of(error))


def without_visitors(record: logging.LogRecord) -> bool:
    """Keep what waitress logs of faults, by their place alone: it names visitors and tokens."""
    fault = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = "A request failed: %s", (faults.place_of(fault) if fault else "?",)
    record.exc_info = None
    return record.levelno >= logging.ERROR


def _server(app: Flask, host: str, port: int) -> Any:
    is_sixth = ":" in host
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            ipv4=not is_sixth,
            ipv6=is_sixth,
            threads=THREADS,
            ident=None,
            connection_limit=_most_connections(),
            channel_timeout=SILENCE,
            asyncore_use_poll=True,
            max_request_header_size=LARGEST_HEAD,
            # In memory: waitress would spill more into temporary files, in the clear.
            max_request_body_size=app.config["LARGEST_UPLOAD"] + 1,
            inbuf_overflow=app.config["LARGEST_UPLOAD"] + 2,
            outbuf_overflow=LARGEST_ANSWER,
            # The app itself decides which proxy's word it takes, and sees whether there was one.
            clear_untrusted_proxy_headers=False,
        )
    except OSError as error:
        raise CannotBind(
            f"{host}:{port} cannot be bound ({error.strerror}): choose another --port."
        ) from None
    except ValueError:
        raise CannotBind(f"{host}:{port} is no address to bind.") from None
    if not isinstance(server, BaseWSGIServer):
        raise CannotBind(f"{host} names several addresses: give one of them as --host.")
    server.channel_class = Channel
    server.adj.is_upload = app.extensions["is upload"]
    return server


def _most_connections() -> int:
    """Return how many connections there are files for; without one, waitress would spin."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - OTHER_FILES, 1)


def _stop(stop: threading.Event, server: Any) -> None:
    stop.set()
    server.pull_trigger()  # wakes the loop


def _serve_until(stop: threading.Event, server: Any) -> None:
    """Serve until `stop` is set; then take nothing new, and finish what is in hand.

    waitress itself would drop requests in hand at SIGTERM.
    """
    while not stop.is_set():
        _turn(server)
    server.accepting = False
    server.socket.close()
    server.del_channel()
    deadline = time.monotonic() + GRACE
    while _is_busy(server) and time.monotonic() < deadline:
        _turn(server)
    server.task_dispatcher.shutdown()


def _turn(server: Any) -> None:
    server.asyncore.loop(timeout=0.5, map=server._map, use_poll=True, count=1)  # noqa: SLF001


def _is_busy(server: Any) -> bool:
    channels = list(server.active_channels.values())
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
