"""Values that are stored as JSON, sealed or not: each has a version, and its reader ignores what
it does not know.

So an older release reads what a newer one has written, and one can go back after an upgrade. A
new field has a default, and needs no new version. A version rises only when an older release
would misread the value: when a field means something else, or a new one limits what others say.
Then an older release refuses the value. One without a version is of version 0, and is read as 1.
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
from ..refusals import Refusal

Value = TypeVar("Value")
_VERSION_KEY = "v"


class StoredByNewer(Refusal):
    """A value was written by a newer version of the service, which this one would misread."""


def with_version(fields_: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return fields as they are stored."""
    return {_VERSION_KEY: version, **fields_}


def refuse_newer(stored: Mapping[str, Any], version: int) -> None:
    """Raise `StoredByNewer` if what is stored has a version above `version`."""
    if stored.get(_VERSION_KEY, 0) > version:
        raise StoredByNewer(
            "A stored value was written by a newer version of the service: install that version."
        )


def known(kind: type[Value], stored: Mapping[str, Any]) -> Value:
    """Return a `kind` of those of the stored fields that it has."""
    names = _names(cast("Any", kind))
    return kind(**{name: value for name, value in stored.items() if name in names})


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is sealed of a row.

    `public_id` is the row's, so that a sealed value cannot be moved to another row.
    """

    VERSION: ClassVar[int] = 1

    public_id: str

    def sealed(self, ring: KeyRing) -> bytes:
        """Return it sealed."""
        stored = with_version(asdict(self), self.VERSION)
        return ring.seal(json.dumps(stored, ensure_ascii=False).encode())

    @classmethod
    def unsealed(cls, sealed: bytes, public_id: str, ring: KeyRing) -> Self:
        """Return what was sealed; `SealBroken` if not for `public_id`, or `StoredByNewer`."""
        return cls.read(ring.unseal(sealed).decode(), public_id)

    @classmethod
    def read(cls, plain: str, public_id: str) -> Self:
        """Return what was sealed as `plain`; `SealBroken` if not for `public_id`, or
        `StoredByNewer`."""
        stored = json.loads(plain)
        refuse_newer(stored, cls.VERSION)
        found = known(cls, stored)
        if found.public_id != public_id:
            raise SealBroken("A sealed value stands in a row that is not its own.")
        return found


class VersionedJson(TypeDecorator[dict[str, Any]]):
    """A column that holds fields as JSON, with a version that only the database sees."""

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
        return {name: held for name, held in value.items() if name != _VERSION_KEY}
