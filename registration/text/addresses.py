"""E-mail addresses: checked as they are typed, and reduced to a canonical form to compare them."""

import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..refusals import N_, Refusal, Sentence

if TYPE_CHECKING:
    from email_validator import ValidatedEmail

# An address has at most 254 characters (RFC 5321 4.5.3.1.3); decomposed letters take more.
MAX_TYPED_LENGTH = 1000
# Providers that deliver several spellings and domains to one mailbox: their domains, and the
# characters that they ignore, or take for another, before the @.
_SPELLINGS: list[tuple[tuple[str, ...], dict[int, Any]]] = [
    (("gmail.com", "googlemail.com"), str.maketrans("", "", ".")),
    (("proton.me", "protonmail.com", "pm.me"), str.maketrans("", "", "._-")),
    (
        ("yandex.ru", "ya.ru", "yandex.com", "yandex.kz", "yandex.by", "yandex.ua"),
        str.maketrans("-", "."),
    ),
    (("icloud.com", "me.com", "mac.com"), str.maketrans("", "")),
]
# By each domain: the first of its provider's domains, and those characters.
_PROVIDERS = {
    domain: (domains[0], ignored) for domains, ignored in _SPELLINGS for domain in domains
}


class Fault(Enum):
    """The kind of mistake in an address; pages phrase each."""

    AT = N_("no single @")
    NAME = N_("a display name or angle brackets")
    SPACE = N_("a space")
    LOCAL_NOT_ASCII = N_("letters before the @ that many mail servers cannot deliver to")
    LOCAL = N_("what stands before the @")
    PERIOD = N_("periods in a row, or first, or last")
    DOMAIN = N_("what stands after the @")
    LONG = N_("its length")


class AddressRefused(Refusal):
    """The text is not an address that a letter could reach."""

    sentence = N_("is not an e-mail address: %(fault)s")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault=Sentence(fault.value))


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An accepted address.

    `sent` is the form that letters are sent to: the typed local part, and the domain in A-labels
    (RFC 5890). `canonical` is compared: it is NFC and casefolded as well.
    """

    sent: str
    canonical: str

    @property
    def mailbox(self) -> str:
        """The mailbox that most likely receives it, to count letters by; never to tell people
        apart. It is `canonical` without a +suffix, and without what the provider ignores."""
        local, _at, domain = self.canonical.partition("@")
        domain, ignored = _PROVIDERS.get(domain, (domain, {}))
        local = local.partition("+")[0] or local
        return f"{local.translate(ignored)}@{domain}"


def parse(text: str) -> EmailAddress:
    """Return the address typed as `text`, or raise `AddressRefused`. Makes no DNS query."""
    if len(text) > MAX_TYPED_LENGTH:  # before any check whose time grows with the length
        raise AddressRefused(Fault.LONG)
    text = unicodedata.normalize("NFC", text.strip())
    fault = _plain_fault(text)
    if fault:
        raise AddressRefused(fault)
    valid = _validated(text)
    if valid is None:
        raise AddressRefused(_fault_of_parts(text))
    sent = f"{valid.local_part}@{valid.ascii_domain}"
    return EmailAddress(sent=sent, canonical=sent.casefold())


def _plain_fault(text: str) -> Fault | None:
    local = text.partition("@")[0]
    checks = {
        Fault.NAME: any(character in text for character in '<>"'),
        Fault.AT: text.count("@") != 1,
        Fault.SPACE: any(character.isspace() for character in text),
        Fault.LOCAL_NOT_ASCII: not local.isascii(),
        Fault.LONG: len(text) > 254 or len(local) > 64,
        # The email package would read such a local part as an encoded word (RFC 2047).
        Fault.LOCAL: "=?" in local,
        Fault.PERIOD: ".." in text or local.startswith(".") or local.endswith("."),
    }
    return next((fault for fault, applies in checks.items() if applies), None)


def _fault_of_parts(text: str) -> Fault:
    """Return which side of the @ the library refuses; its own messages cannot be translated."""
    local = text.partition("@")[0]
    return Fault.DOMAIN if _validated(f"{local}@example.org") else Fault.LOCAL


def _validated(address: str) -> "ValidatedEmail | None":
    """Return the parts of an address; None if the library refuses it."""
    # Its patterns take long to compile, and most commands parse no address.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        return validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
