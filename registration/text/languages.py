"""The words people read: gettext and dates in the language of the moment.

Templates and Python ask the same functions. `speaking(language)` sets the language for what is
written inside the block: each letter, and each entry of a calendar.
"""

import gettext as stdlib_gettext
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.support import NullTranslations, Translations

DEFAULT = "en"
FOLDER = Path(__file__).parent.parent / "translations"

_TAG = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_language: ContextVar[str] = ContextVar("language", default=DEFAULT)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Write what is written inside the block in `language`."""
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
    """Return the language of the moment, a BCP 47 tag."""
    return _language.get()


@cache
def translations(language: str) -> stdlib_gettext.NullTranslations:
    """Return the translations to `language`; English is the language of the source."""
    if language == DEFAULT:
        return NullTranslations()
    return Translations.load(FOLDER, [language], domain="messages")


def gettext(message: str) -> str:
    """Return `message` in the language of the moment."""
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
    """Return the form for `number` in the language of the moment."""
    return translations(language()).ngettext(singular, plural, number)


def locale() -> Locale:
    """Return the locale of the moment, for dates and lists; English without the American order
    and comma."""
    return Locale.parse("en-GB" if language() == "en" else language(), sep="-")


def spoken_date(value: date) -> str:
    """Return a date in words: 7 December 2023."""
    return format_date(value, "long", locale=locale())


def spoken_day(value: date) -> str:
    """Return a date in words with its weekday: Thursday, 7 December 2023."""
    pattern = "EEEE, d MMMM y" if language() == "en" else "full"
    return format_date(value, pattern, locale=locale())


def spoken_time(value: datetime) -> str:
    """Return a time of day, with 24 hours: 17:00."""
    return format_time(value, "HH:mm", locale=locale())


def spoken_moment(value: datetime) -> str:
    """Return an instant in UTC, to the minute, in words: 7 December 2023, 12:00 UTC."""
    value = value.astimezone(UTC)
    return gettext("%(date)s, %(time)s UTC") % {
        "date": spoken_date(value.date()),
        "time": spoken_time(value),
    }


def offset(value: datetime) -> str:
    """Return the offset of an aware time: UTC+5, UTC-3:30, UTC."""
    minutes = int((value.utcoffset() or timedelta()).total_seconds() // 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def spoken_list(items: list[str]) -> str:
    """Return items as a list in words: A, B and C."""
    return format_list(items, locale=locale())
