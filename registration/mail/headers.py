"""The header policy of letters: email.policy.SMTP, with three headers corrected.

When the email package folds words that are not ASCII, it loses, doubles or moves spaces (seen on
3.11). It encodes a word that does not fit into a line, such as a URL in List-Unsubscribe.
"""

from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UniqueAddressHeader
from email.headerregistry import UniqueUnstructuredHeader as Unstructured
from email.policy import SMTP, Policy
from typing import Any


class Subject(Unstructured, BaseHeader):  # type: ignore[misc]  # as the registry mixes them
    """A subject taken literally.

    The email package would decode `=?utf-8?...?=` in a title, which may contain a line end.
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


class UnfoldedHeader(Unstructured, BaseHeader):  # type: ignore[misc]  # as the registry mixes them
    """An ASCII header that stays in one line; RFC 5322 2.1.1 permits 998 characters."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header's one line."""
        return f"{self.name}: {self}{policy.linesep}"


_registry = HeaderRegistry()
_registry.map_to_type("list-unsubscribe", UnfoldedHeader)
_registry.map_to_type("subject", Subject)
_registry.map_to_type("from", Sender)

# CRLF from the start: the default policy strips the CRs of a letter's calendar part.
POLICY = SMTP.clone(header_factory=_registry)
