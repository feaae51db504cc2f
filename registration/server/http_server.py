"""The production server (waitress), with the mail worker in the same process."""

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
from ..refusals import OperatorRefusal
from ..services.operations import feed_statistics
from ..worker import loop
from . import memory, unlocking, watchdog
from .request_parser import Channel

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_HEAD_BYTES = 32 * 1024
_NEVER = 1 << 62
# Open connections, and the other files that the process needs.
MAX_CONNECTIONS = 4000
OTHER_FILES = 100
# An idle connection is closed after this. Proxies keep theirs open for a minute.
IDLE_CONNECTION_SECONDS = 75
# More threads than can wait for the database (fair_lock.PATIENT_THREADS) and for the check of a
# password (passwords.QUEUE_LENGTH), so that some are always free to answer requests.
THREADS = 32
# Current requests and the current letter may take this long to finish after SIGTERM.
SHUTDOWN_GRACE_SECONDS = 20.0
# The interval at which the counts of feed fetches are written to the database.
FEED_COUNT_INTERVAL_SECONDS = 60.0

log = logging.getLogger(__name__)


class CannotBind(OperatorRefusal):
    """The address cannot be listened on."""


def serve(app: Flask, host: str, port: int, *, with_mail: bool) -> None:
    """Serve pages and calendars, and send mail, until SIGTERM or SIGINT.

    Raises `CannotBind`. Runs in the app's context.
    """
    memory.limit()
    logging.getLogger("waitress").addFilter(hide_visitors)
    # Queue lengths and missing cookies are normal: they are not logged.
    for name in ("waitress.queue", "flask_wtf.csrf"):
        logging.getLogger(name).setLevel(logging.ERROR)
    server = _create_server(app, host, port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(stop, server))
    taking_keys = unlocking.listen(app, stop)
    # A daemon thread: a mail server that hangs must not delay the shutdown; the letter stays owed.
    mail = threading.Thread(target=loop.run, args=(app, stop), name="mail", daemon=True)
    if with_mail:
        mail.start()
    click.echo(f"Serving {app_context.settings().public_url} (Ctrl+C stops it)")
    counting = threading.Thread(
        target=_write_counts_until, args=(app, stop), name="readers", daemon=True
    )
    counting.start()
    supervisor = watchdog.supervisor()
    if supervisor:
        address = (host, server.effective_port)
        alive = (app, supervisor, address, stop)
        threading.Thread(target=watchdog.run, args=alive, name="watchdog", daemon=True).start()
        supervisor.tell("READY=1")
    _serve_until(stop, server)
    for thread in (counting, mail if with_mail else None, taking_keys):
        if thread:
            thread.join(SHUTDOWN_GRACE_SECONDS)


def _write_counts_until(app: Flask, stop: threading.Event) -> None:
    """Write the counts of feed fetches at intervals, and once more when `stop` is set."""
    while not stop.wait(FEED_COUNT_INTERVAL_SECONDS):
        _write_counts(app)
    _write_counts(app)


def _write_counts(app: Flask) -> None:
    with app.app_context():
        tally = app_context.feed_tally()
        counts = tally.take()
        if not counts:
            return
        try:
            with writing() as tx:
                feed_statistics.write(tx, counts)
        except Exception as error:  # noqa: BLE001  # no fault may end this thread
            tally.put_back(counts)
            log.warning("Who fetched the feed was not counted: %s", faults.place_of(error))


def hide_visitors(record: logging.LogRecord) -> bool:
    """Let only errors pass, reduced to the fault's place: the message may name visitors or tokens.

    A filter for waitress's logger.
    """
    fault = record.exc_info[1] if record.exc_info else None
    record.msg, record.args = "A request failed: %s", (faults.place_of(fault) if fault else "?",)
    record.exc_info = None
    return record.levelno >= logging.ERROR


def _create_server(app: Flask, host: str, port: int) -> Any:
    is_ipv6 = ":" in host
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            ipv4=not is_ipv6,
            ipv6=is_ipv6,
            threads=THREADS,
            ident=None,
            connection_limit=_connection_limit(),
            channel_timeout=IDLE_CONNECTION_SECONDS,
            asyncore_use_poll=True,
            max_request_header_size=MAX_HEAD_BYTES,
            # Bodies stay in memory: waitress would write larger ones to temporary files, unsealed.
            # `Request` refuses or drops too large ones, by what the app says of each path.
            max_request_body_size=_NEVER,
            inbuf_overflow=_NEVER,
            outbuf_overflow=MAX_ANSWER_BYTES,
            # The app itself decides which proxy headers it trusts.
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
    server.adj.body_limit = app.extensions["body limit"]
    return server


def _connection_limit() -> int:
    """Return how many connections the limit of open files permits.

    Beyond the limit waitress would loop without a pause.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - OTHER_FILES, 1)


def _stop(stop: threading.Event, server: Any) -> None:
    stop.set()
    server.pull_trigger()  # wakes waitress's loop


def _serve_until(stop: threading.Event, server: Any) -> None:
    """Serve until `stop` is set; then accept no connections, and finish the current requests.

    waitress itself would drop the current requests at SIGTERM.
    """
    while not stop.is_set():
        _run_loop_once(server)
    server.accepting = False
    server.socket.close()
    server.del_channel()
    deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
    while _is_busy(server) and time.monotonic() < deadline:
        _run_loop_once(server)
    server.task_dispatcher.shutdown()


def _run_loop_once(server: Any) -> None:
    server.asyncore.loop(timeout=0.5, map=server._map, use_poll=True, count=1)  # noqa: SLF001


def _is_busy(server: Any) -> bool:
    channels = list(server.active_channels.values())
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
