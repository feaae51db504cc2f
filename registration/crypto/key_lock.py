"""Key files that a passphrase protects: `<fingerprint>.locked` in the keys folder, as JSON.

Argon2id (RFC 9106) makes a key of the passphrase; AES-256-GCM encrypts the root key with it, bound
to the root key's fingerprint. One passphrase opens all locked keys of an installation. Without the
passphrase or the file, nobody can read the data again.
"""

import json
import os
import secrets
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from .. import files
from .key_ring import KeysRefused, fingerprint, keep

SUFFIX = ".locked"
MIN_CHARACTERS = 20
MAX_CHARACTERS = 1000
_VERSION = 1
# More lanes would only be faster on more cores; and of several threads, deadlock some versions.
_LANES = 1
# 4 GiB: a damaged file must not ask for more.
_MAX_COST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a try: passes over the memory, and KiB of memory."""

    iterations: int = 4
    memory_kib: int = 256 * 1024


FULL_COST = Cost()


class WrongPassphrase(KeysRefused):
    """The passphrase opens none of the locked keys."""

    def __init__(self) -> None:
        super().__init__("This passphrase does not open the key. Nothing was changed: try again.")


class PassphraseTooShort(KeysRefused):
    """A thief of the locked file could try all short passphrases."""

    def __init__(self) -> None:
        super().__init__(
            f"The passphrase needs {MIN_CHARACTERS} to {MAX_CHARACTERS} characters: "
            "take six words at random."
        )


def names(folder: Path) -> list[str]:
    """Return the fingerprints of the locked keys in `folder`."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def check(passphrase: str) -> None:
    """Raise `PassphraseTooShort` if a new passphrase is too short, or too long."""
    if not MIN_CHARACTERS <= len(passphrase) <= MAX_CHARACTERS:
        raise PassphraseTooShort


def lock(folder: Path, root: bytes, passphrase: str, cost: Cost = FULL_COST) -> str:
    """Write a root key to its locked file durably, read that back, and return the fingerprint.

    A file that a killed attempt left stays as it is. Raises `WrongPassphrase` if that file has
    another passphrase, and OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = fingerprint(root)
    path = _path(folder, name)
    if not path.exists():
        files.place(_write_part(path, root, passphrase, cost), path)
        files.sync(folder.parent)
    if _opened(path, name, passphrase) != root:
        raise KeysRefused(f"{path} does not open to the key that was locked.")
    return name


def change_passphrase(
    folder: Path, roots: Mapping[str, bytes], passphrase: str, cost: Cost = FULL_COST
) -> None:
    """Lock opened root keys with another passphrase, each durably in place of its file.

    After a kill, some keys may have the old passphrase and others the new one: `open_all` with the
    old one then finds those that are left. Raises OSError.
    """
    paths = {_path(folder, name): root for name, root in roots.items()}
    parts = {path: _write_part(path, root, passphrase, cost) for path, root in paths.items()}
    for path, part in parts.items():
        if _opened(part, path.stem, passphrase) != paths[path]:
            raise KeysRefused(f"{part} does not open to the key that was locked.")
    for path, part in parts.items():
        files.replace(part, path)


def open_all(folder: Path, passphrase: str) -> dict[str, bytes]:
    """Return each locked root key that the passphrase opens, by its fingerprint.

    Raises `WrongPassphrase` if it opens none, and `KeysRefused` if a file is damaged.
    """
    roots = {}
    for name in names(folder):
        with suppress(WrongPassphrase):
            roots[name] = _opened(_path(folder, name), name, passphrase)
    if not roots:
        raise WrongPassphrase
    return roots


def make(folder: Path, passphrase: str, cost: Cost = FULL_COST) -> str:
    """Make a root key that is never on the disk in the clear, and return its fingerprint.

    This process keeps the key.
    """
    root = secrets.token_bytes(32)
    name = lock(folder, root, passphrase, cost)
    keep(folder, {name: root})
    return name


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}{SUFFIX}"


def _write_part(path: Path, root: bytes, passphrase: str, cost: Cost) -> Path:
    part = files.part_path(path)
    part.unlink(missing_ok=True)
    with files.written(part, "x") as file:
        file.write(json.dumps(_wrapped(path.stem, root, passphrase, cost)).encode("ascii"))
    return part


def _wrapped(name: str, root: bytes, passphrase: str, cost: Cost) -> dict[str, object]:
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(_derived(passphrase, salt, cost)).encrypt(nonce, root, _bound(name))
    return {
        "v": _VERSION,
        "kdf": "argon2id",
        **asdict(cost),
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "sealed": sealed.hex(),
    }


def _opened(path: Path, name: str, passphrase: str) -> bytes:
    try:
        cost, salt, nonce, sealed = _parsed(path.read_bytes())
        key = _derived(passphrase, salt, cost)
    except PermissionError:
        raise KeysRefused(f"{path} cannot be read: give it to the service's user.") from None
    except (OSError, ValueError, TypeError, KeyError):
        raise KeysRefused(
            f"{path} is not a locked key: put back the file that was there."
        ) from None
    try:
        return AESGCM(key).decrypt(nonce, sealed, _bound(name))
    except InvalidTag:
        raise WrongPassphrase from None


def _parsed(content: bytes) -> tuple[Cost, bytes, bytes, bytes]:
    """Return cost, salt, nonce and encrypted root key. Raises ValueError, TypeError, KeyError."""
    stored = json.loads(content)
    cost = Cost(stored["iterations"], stored["memory_kib"])
    is_known = (stored["v"], stored["kdf"]) == (_VERSION, "argon2id")
    if not is_known or max(cost.iterations, cost.memory_kib) > _MAX_COST:
        raise ValueError("It is of another kind, or damaged.")
    salt, nonce, sealed = (bytes.fromhex(stored[name]) for name in ("salt", "nonce", "sealed"))
    return cost, salt, nonce, sealed


def _bound(name: str) -> bytes:
    return f"registration key {name}".encode()


def _derived(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    # The same letters come from keyboards in different forms.
    typed = unicodedata.normalize("NFKC", passphrase).encode()
    kind = Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=_LANES,
        memory_cost=cost.memory_kib,
    )
    return kind.derive(typed)
