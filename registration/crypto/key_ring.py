"""The key ring: it seals and unseals personal data, and computes blind indexes.

A ring holds root keys, one file each in the keys folder, readable by their owner only. The
database names the one in use by its fingerprint; the others only unseal. HKDF (RFC 5869) derives
three keys from a root key: one for sealing (Fernet), one for the blind index (HMAC-SHA256) and one
for the secrets of the web. The database alone, without the ring, reveals no personal data.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .. import files
from ..refusals import OperatorRefusal

# Sealed values are padded to a multiple of this, so that their length reveals little.
PADDING_BYTES = 512
# Fernet writes the time of sealing in the clear, and nothing here reads it: always the same time.
_SEALED_AT = 0
# Keys that were typed in, by their folder: only in the memory of this process.
_typed_in: dict[Path, dict[str, bytes]] = {}
_KEY_FILE_NAME = re.compile(r"(?:.*_)?[0-9a-f]{16}\.key")


class KeysRefused(OperatorRefusal):
    """The keys are missing, foreign, damaged or readable by others; nothing was changed."""


class KeysLocked(KeysRefused):
    """The key in use is there behind a passphrase (`key_lock`), and nobody has typed that in."""


class SealBroken(OperatorRefusal):
    """No key of the ring opens a sealed value, or it was sealed for another row."""


class KeyRing:
    """The root keys by fingerprint. `current` names the one that seals; the others only unseal."""

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
        padded = value + b" " * (-len(value) % PADDING_BYTES)
        return self._fernet.encrypt_at_time(padded, _SEALED_AT)

    def unseal(self, sealed: bytes) -> bytes:
        """Return the sealed value, its padding included, or raise `SealBroken`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise SealBroken("A sealed value does not open with the keys of this ring.") from None

    def seal_for(self, purpose: str, text: str) -> str:
        """Return `text`, sealed with a key that is derived for `purpose` and opens nothing else."""
        return self._fernet_for(purpose).encrypt_at_time(text.encode(), _SEALED_AT).decode()

    def unseal_for(self, purpose: str, sealed: str) -> str:
        """Return the text sealed for `purpose` with the current key, or raise `SealBroken`."""
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


def read_keys(folder: Path, credentials: Path | None = None) -> dict[str, bytes]:
    """Return the root keys in `folder` and `credentials`, and those that this process keeps for
    `folder`, by fingerprint.

    `credentials` is the folder of systemd's LoadCredential. systemd names a file there after the
    credential too (keys_<fingerprint>.key), and protects it by an access list, which shows as a
    permission of the group. Raises `KeysRefused` if a key cannot be trusted.
    """
    keys = _typed_in.get(folder, {}) | dict(_read(plain_files(folder), 0o077))
    if credentials and credentials.is_dir():
        # The folder may hold other programs' keys too.
        ours = [
            path for path in sorted(credentials.iterdir()) if _KEY_FILE_NAME.fullmatch(path.name)
        ]
        keys |= _read(ours, 0o007)
    return keys


def plain_files(folder: Path) -> list[Path]:
    """Return the key files in `folder` that no passphrase protects."""
    return sorted(folder.glob("*.key"))


def keep(folder: Path, roots: Mapping[str, bytes]) -> None:
    """Let this process use root keys of `folder` that were typed in, until it ends.

    Raises `KeysRefused` if one of them is not the key that its fingerprint names.
    """
    if any(fingerprint(root) != name for name, root in roots.items()):
        raise KeysRefused("This is not the key that its name says: nothing was changed.")
    _typed_in.setdefault(folder, {}).update(roots)


def forget(folder: Path) -> None:
    """Let this process use the typed keys of `folder` no longer."""
    _typed_in.pop(folder, None)


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
    """Return the name of a root key, which reveals nothing of the key."""
    return _derive(root, "fingerprint").hex()[:16]


def make_key(folder: Path) -> str:
    """Make a root key in `folder` durably, without overwriting any, and return its fingerprint."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = secrets.token_bytes(32)
    name = fingerprint(root)
    path = folder / f"{name}.key"
    part = files.part_path(path)
    with files.written(part, "x") as file:
        file.write(root.hex().encode())
    files.place(part, path)
    # A power cut that removes the key loses all data sealed with it: sync the folder's name, too.
    files.sync(folder.parent)
    return name
