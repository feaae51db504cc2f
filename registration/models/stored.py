"""Versions of values that are stored as JSON, sealed or not; readers ignore unknown fields.

So an older release can read the values of a newer one, and an upgrade can be undone. A new field
has a default, and needs no new version. The version rises only if an older release would misread
the value: if a field's meaning changes, or a new field restricts others. An older release then
refuses the value. A value without a version has version 0, and is read as version 1.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self, TypeVar, cast

from sqlalchemy import JSON
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ..crypto.key_ring import KeyRing, SealBroken
from ..refusals import OperatorRefusal

Value = TypeVar("Value")
_VERSION_KEY = "v"


class StoredByNewer(OperatorRefusal):
    """A newer release has written the value, and this one would misread it."""


def with_version(fields_: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the fields together with their version, to be stored."""
    return {_VERSION_KEY: version, **fields_}


def refuse_newer(stored: Mapping[str, Any], version: int) -> None:
    """Raise `StoredByNewer` if the stored version is above `version`."""
    if stored.get(_VERSION_KEY, 0) > version:
        raise StoredByNewer(
            "A stored value was written by a newer version of the service: install that version."
        )


def known(kind: type[Value], stored: Mapping[str, Any]) -> Value:
    """Return an instance of the dataclass `kind` from the stored fields, without unknown ones."""
    names = _names(cast("Any", kind))
    return kind(**{name: value for name, value in stored.items() if name in names})


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True)
class Sealed:
    """The sealed part of a row.

    It contains the row's `public_id`, so that a sealed value cannot be moved to another row.
    """

    VERSION: ClassVar[int] = 1

    public_id: str

    def sealed(self, ring: KeyRing) -> bytes:
        """Return the value, sealed with the ring's current key."""
        stored = with_version(asdict(self), self.VERSION)
        return ring.seal(json.dumps(stored, ensure_ascii=False).encode())

    @classmethod
    def unsealed(cls, sealed: bytes, public_id: str, ring: KeyRing) -> Self:
        """Return the value; `SealBroken` if not sealed for `public_id`, or `StoredByNewer`."""
        return cls.read(ring.unseal(sealed).decode(), public_id)

    @classmethod
    def read(cls, plain: str, public_id: str) -> Self:
        """Return the value of the unsealed JSON `plain`.

        Raises `SealBroken` if it was not sealed for `public_id`, or `StoredByNewer`.
        """
        stored = json.loads(plain)
        refuse_newer(stored, cls.VERSION)
        value = known(cls, stored)
        if value.public_id != public_id:
            raise SealBroken("A sealed value stands in a row that is not its own.")
        return value


class VersionedJson(TypeDecorator[dict[str, Any]]):
    """A column of JSON fields, with a version that is added and removed here."""

    impl = JSON
    cache_ok = True

    def __init__(self, version: int = 1) -> None:
        super().__init__()
        self.version = version

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else with_version(value, self.version)

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, Any] | None:  # noqa: ARG002
        if value is None:
            return None
        refuse_newer(value, self.version)
        return {name: field for name, field in value.items() if name != _VERSION_KEY}
