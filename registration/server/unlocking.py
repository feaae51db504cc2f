"""Hands typed keys to the running processes of an installation, over sockets in its folder.

A process whose keys are locked listens at `unlock/<random>` in the instance's folder until it ends:
also once it has its keys, so that it gets the next one before a rotation. `flask keys unlock`
writes one line of JSON and reads one. Both ends ask the kernel whether the other is a process of
the same user. The keys are never in a file in the clear.
"""

import json
import logging
import os
import secrets
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from flask import Flask

from .. import app_context
from ..crypto import key_lock, key_ring
from ..refusals import OperatorRefusal, Refusal

FOLDER = "unlock"
# The check of the key takes one read of the database.
ANSWER_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.5
_MAX_BYTES = 64 * 1024
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)

log = logging.getLogger(__name__)


class NotListening(OperatorRefusal):
    """The socket cannot be made, so no key could be handed over."""


def listen(app: Flask, stop: threading.Event) -> threading.Thread | None:
    """Take keys in a thread until `stop`, and return it; None if no key is locked here.

    Runs in the app's context. Raises `NotListening`.
    """
    settings = app_context.settings()
    if not key_lock.names(settings.keys):
        return None
    folder = settings.instance / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        listener, path = _bind(folder)
    except OSError as error:
        raise NotListening(f"{folder} takes no socket: {error.strerror or error}.") from None
    if app_context.is_locked():
        log.warning("The key is locked, and nothing is served or sent: run `flask keys unlock`.")
    taking = threading.Thread(
        target=_take_until, args=(app, listener, path, stop), name="unlocking", daemon=True
    )
    taking.start()
    return taking


def hand_over(instance: Path, roots: Mapping[str, bytes]) -> list[str]:
    """Give root keys to each listening process; return the answer of each, empty if it has them.

    What a killed process left of its socket is removed.
    """
    answers = []
    keys = {name: root.hex() for name, root in roots.items()}
    for path in sorted((instance / FOLDER).glob("*")):
        try:
            answers.append(_ask(path, json.dumps(keys).encode() + b"\n"))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except FileNotFoundError:  # it has just ended
            continue
        except (OSError, ValueError):
            answers.append("A process does not answer: restart it.")
    return answers


def _bind(folder: Path) -> tuple[socket.socket, Path]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = folder / secrets.token_hex(8)
    with _reachable(path) as short:
        listener.bind(short)
    path.chmod(0o600)
    listener.listen()
    listener.settimeout(_POLL_SECONDS)
    return listener, path


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Yield a name of a socket that fits into the 108 bytes of its address (unix(7))."""
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


def _take_until(app: Flask, listener: socket.socket, path: Path, stop: threading.Event) -> None:
    with closing(listener), app.app_context():
        while not stop.is_set():
            with suppress(TimeoutError):
                connection, _address = listener.accept()
                with closing(connection):
                    _answer(connection)
    path.unlink(missing_ok=True)


def _answer(connection: socket.socket) -> None:
    """Take the keys that one connection brings. A fault in it is logged, and ends nothing else."""
    connection.settimeout(ANSWER_TIMEOUT_SECONDS)
    try:
        said = _take(connection) if _is_ours(connection) else "You are another user."
        connection.sendall(json.dumps(said).encode() + b"\n")
    except Exception as error:  # noqa: BLE001  # nothing that comes may end this thread
        log.warning("What came to the socket for keys was not taken: %s.", type(error).__name__)


def _take(connection: socket.socket) -> str:
    """Keep the keys that come; return an empty text, or why they are not the right ones."""
    given = json.loads(_line(connection))
    roots = {name: bytes.fromhex(root) for name, root in given.items()}
    try:
        key_ring.keep(app_context.settings().keys, roots)
        is_locked = app_context.is_locked()
    except Refusal as refusal:
        return str(refusal)
    if is_locked:
        return "The database is sealed with another key: copy its .locked file to this host."
    log.info("The key was handed over.")
    return ""


def _ask(path: Path, line: bytes) -> str:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(ANSWER_TIMEOUT_SECONDS)
        with _reachable(path) as short:
            connection.connect(short)
        if not _is_ours(connection):
            return "A process of another user listens in this folder: no key was given to it."
        connection.sendall(line)
        return str(json.loads(_line(connection)))


def _is_ours(connection: socket.socket) -> bool:
    """Whether the other end is a process of this user, or of root."""
    sent = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(sent)
    return uid in {os.geteuid(), 0}


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        part = connection.recv(4096)
        if not part or len(received) > _MAX_BYTES:
            raise ValueError("The line has no end.")
        received += part
    return received
