"""Personal data at rest: the key ring, sealing and unsealing, and the blind index.

A ring holds root keys, one file each in the keys folder, readable by their owner only. The
database names the one in use by its fingerprint; the others still unseal. From a root key come
three by HKDF (RFC 5869): one that seals (Fernet), one that indexes (HMAC-SHA256) and one for the
secrets of the web. Whoever has the database but not the ring has nothing.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..refusals import Refusal

# Sealed values are padded to a multiple of this, so that their length tells little.
PADDING = 512
_OURS = re.compile(r"(?:.*_)?[0-9a-f]{16}\.key")


class KeysRefused(Refusal):
    """The keys are missing, foreign, damaged or readable by others; nothing was changed."""


class SealBroken(Refusal):
    """A sealed value does not open with any key of the ring, or is not what was sealed there."""


class Ring:
    """The root keys by fingerprint, and which of them seals; the others only unseal."""

    def __init__(self, roots: Mapping[str, bytes], current: str) -> None:
        self.current = current
        self._root = roots[current]
        self._index = _derive(self._root, "index")
        others = [roots[name] for name in sorted(roots.keys() - {current})]
        self._fernet = MultiFernet(
            Fernet(base64.urlsafe_b64encode(_derive(root, "seal")))
            for root in [self._root, *others]
        )

    def seal(self, value: bytes) -> bytes:
        """Return `value`, padded and sealed with the current key."""
        return self._fernet.encrypt(value + b" " * (-len(value) % PADDING))

    def unseal(self, sealed: bytes) -> bytes:
        """Return what was sealed, its padding included, or raise `SealBroken`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SealBroken("A sealed value does not open with the keys of this ring.") from None

    def seal_for(self, purpose: str, text: str) -> str:
        """Return `text` sealed for one purpose: nothing sealed at rest, or for another, opens by
        that."""
        return self._fernet_for(purpose).encrypt(text.encode()).decode()

    def unseal_for(self, purpose: str, sealed: str) -> str:
        """Return what was sealed for a purpose under the key in use, or raise `SealBroken`."""
        try:
            return self._fernet_for(purpose).decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise SealBroken("A sealed value does not open for this purpose.") from None

    def _fernet_for(self, purpose: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(_derive(self._root, f"seal for {purpose}")))

    def index(self, *parts: str) -> bytes:
        """Return the blind index of `parts`: 32 bytes, equal for equal parts under one key."""
        return hmac.digest(self._index, "\0".join(parts).encode(), "sha256")

    def secret(self, purpose: str) -> str:
        """Return a secret for `purpose`, the same for as long as the current key is in use."""
        return _derive(self._root, f"secret {purpose}").hex()


def _derive(root: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"registration {purpose}".encode()).derive(root)


def new_token() -> str:
    """Return a random token of 256 bits for a link."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return what is stored of a token: random enough that a plain hash hides it."""
    return hashlib.sha256(token.encode()).digest()


def read_keys(folder: Path, credentials: Path | None = None) -> dict[str, bytes]:
    """Return the root keys in `folder` and `credentials` by fingerprint.

    `credentials` is what systemd's LoadCredential gives a service: it names a file there after
    the credential too (keys_<fingerprint>.key), and guards it by an access list, which shows as
    a right of the group. Raises `KeysRefused` if a key cannot be trusted.
    """
    keys = dict(_read(sorted(folder.glob("*.key")), 0o077))
    if credentials:
        # Other programs' keys may be handed over too.
        ours = [path for path in sorted(credentials.iterdir()) if _OURS.fullmatch(path.name)]
        keys |= _read(ours, 0o007)
    return keys


def _read(paths: Iterable[Path], forbidden: int) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if path.stat().st_mode & forbidden:
            raise KeysRefused(f"{path} can be read by others: run chmod 600 on it.")
        try:
            root = bytes.fromhex(path.read_text(encoding="ascii"))
        except PermissionError:
            raise KeysRefused(f"{path} cannot be read: give it to the service's user.") from None
        except (OSError, ValueError):
            raise KeysRefused(f"{path} is not a key: put back the file that was there.") from None
        name = fingerprint(root)
        if path.stem.rpartition("_")[2] != name:
            raise KeysRefused(f"{path} is damaged: put back the file that was there.")
        yield name, root


def fingerprint(root: bytes) -> str:
    """Return the name of a root key, which tells nothing of it."""
    return _derive(root, "fingerprint").hex()[:16]


def make_key(folder: Path) -> str:
    """Make a root key in `folder`, durably and never over another, and return its fingerprint."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = secrets.token_bytes(32)
    name = fingerprint(root)
    unfinished = folder / f".{name}"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(root.hex())
        file.flush()
        os.fsync(file.fileno())
    # The whole key appears under its name at once, or, after a crash, not at all.
    os.link(unfinished, folder / f"{name}.key")
    unfinished.unlink()
    # What is sealed with a key that a power cut takes away is lost: the folder's name counts too.
    for directory in (folder, folder.parent):
        sync(directory)
    return name


def sync(place: Path) -> None:
    """Let a file, or the names in a folder, survive a power cut."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
