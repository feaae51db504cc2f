"""Translations (gettext), and the language and locale of the running block.

Templates and Python call the same functions. `use_language(language)` sets the language for one
block: each letter, and each calendar entry.
"""

import gettext as stdlib_gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError, lists
from babel.support import NullTranslations, Translations

from ..refusals import Refusal, Sentence

DEFAULT_LANGUAGE = "en"
FOLDER = Path(__file__).parent.parent / "translations"

_TAG = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_language: ContextVar[str] = ContextVar("language", default=DEFAULT_LANGUAGE)


@contextmanager
def use_language(language: str) -> Iterator[None]:
    """Use `language` for all texts that are made inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def is_tag(value: str) -> bool:
    """Whether `value` is the tag of a language (BCP 47) that dates can be written in."""
    try:
        # Babel would take the names of POSIX locales too, such as en.utf8.
        Locale.parse(value if re.fullmatch(_TAG, value) else "", "-")
    except (ValueError, UnknownLocaleError):
        return False
    return True


def language() -> str:
    """Return the language in use, a BCP 47 tag."""
    return _language.get()


@cache
def translations(language: str) -> stdlib_gettext.NullTranslations:
    """Return the translations to `language`; English is the language of the source."""
    if language == DEFAULT_LANGUAGE:
        return NullTranslations()
    return Translations.load(FOLDER, [language], domain="messages")


def gettext(message: str) -> str:
    """Return `message` in the language in use."""
    return translations(language()).gettext(message)


class LazyString:
    """A message that is translated when it is written, in the language of that moment: forms are
    declared once, before there is a request. It is escaped as any other text."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def __str__(self) -> str:
        return gettext(self._message)

    def __repr__(self) -> str:
        return f"LazyString({self._message!r})"


def lazy_gettext(message: str) -> LazyString:
    """Return `message`, to be translated when it is written."""
    return LazyString(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form for `number` in the language in use."""
    return translations(language()).ngettext(singular, plural, number)


def phrase(said: Refusal | str) -> str:
    """Return what a refusal or a `Sentence` says, in the language of the moment; other text is
    returned as it is."""
    if isinstance(said, Refusal):
        said = said.said
    if not isinstance(said, Sentence):
        return said
    values = {
        name: phrase(value) if isinstance(value, Sentence) else value
        for name, value in said.values.items()
    }
    if isinstance(said.message, str):
        return gettext(said.message) % values
    return ngettext(*said.message, said.values["num"]) % values


def locale() -> Locale:
    """Return the locale of the language in use, for dates and lists.

    English is British: no American order of dates and no comma before "and".
    """
    return Locale.parse("en-GB" if language() == "en" else language(), sep="-")


def format_list(items: list[str]) -> str:
    """Return items as a list with its conjunction: A, B and C."""
    return lists.format_list(items, locale=locale())
