"""Headers of letters as email.policy.SMTP has them, but for those that it writes wrongly.

Where email folds words that are not ASCII it loses, doubles or moves spaces (seen on 3.11). A word
that does not fit into a line, such as an address in a List-Unsubscribe, it encodes.
"""

from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UniqueAddressHeader
from email.headerregistry import UniqueUnstructuredHeader as Unstructured
from email.policy import SMTP, Policy
from typing import Any


class Subject(Unstructured, BaseHeader):  # type: ignore[misc]  # as the registry mixes them
    """A subject taken literally.

    email would read `=?utf-8?...?=` in a title as encoded words, in which a line end may hide.
    """

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take `value` as it is."""
        super().parse("", kwds)
        kwds["decoded"] = value

    def fold(self, *, policy: Policy) -> str:
        """Return the header's lines (RFC 5322, RFC 2047)."""
        is_plain = self.isascii() and "=?" not in self
        header = Header(str(self), "us-ascii" if is_plain else "utf-8", header_name=self.name)
        return f"{self.name}: {header.encode(linesep=policy.linesep)}{policy.linesep}"


class Sender(UniqueAddressHeader, BaseHeader):  # type: ignore[misc]  # as the registry mixes them
    """A From of one address."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header's lines."""
        (sender,) = self.addresses
        if sender.display_name.isascii():
            return super().fold(policy=policy)
        name = Header(sender.display_name, "utf-8", header_name=self.name)
        end = policy.linesep
        return f"{self.name}: {name.encode(linesep=end)}{end} <{sender.addr_spec}>{end}"


class Whole(Unstructured, BaseHeader):  # type: ignore[misc]  # as the registry mixes them
    """ASCII that stands in one line, however long: 998 characters may (RFC 5322 2.1.1)."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header's one line."""
        return f"{self.name}: {self}{policy.linesep}"


_registry = HeaderRegistry()
_registry.map_to_type("list-unsubscribe", Whole)
_registry.map_to_type("subject", Subject)
_registry.map_to_type("from", Sender)

# CRLF from the start: the default policy strips the CRs of a letter's calendar part.
POLICY = SMTP.clone(header_factory=_registry)
