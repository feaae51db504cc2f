"""A TOML table whose values are checked when they are read, and its list of mistakes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..refusals import N_, Message, N_ngettext, Sentence
from ..text import normalize

_ONE_LINE = Sentence(N_("one line of text"))
_MARKDOWN = Sentence(N_("text (Markdown)"))


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake: its key, and a sentence that continues after the key.

    The key is a path such as `contributors[2].url`; empty for the whole file.
    """

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key} {self.sentence}".strip()


class Table:
    """One table of the file: it checks and returns values, and collects mistakes.

    Values typed into a form have no quotes, so their mistakes do not mention quotes (`is_typed`).
    """

    def __init__(
        self,
        values: dict[str, Any],
        path: str,
        mistakes: list[Mistake],
        *,
        is_typed: bool = False,
    ) -> None:
        self.values, self.path, self.mistakes = values, path, mistakes
        self.is_typed = is_typed
        self.known_keys: list[str] = []
        self.refused_keys: set[str] = set()

    def refuse(self, key: str, message: Message, **values: object) -> None:
        """Add a mistake, unless the key has one already: only the first is worth reporting."""
        if key in self.refused_keys:
            return
        self.refused_keys.add(key)
        # A quoted TOML key may contain any character, also line ends; a mistake is one line.
        shown = key if key.isprintable() else repr(key)
        self.mistakes.append(Mistake(f"{self.path}{shown}", Sentence(message, **values)))

    def take(self, key: str, kind: type, default: Any, what: Sentence) -> Any:
        """Return the value of `key`, or refuse it ("must be `what`") if it is not of `kind`."""
        self.known_keys.append(key)
        if key not in self.values:
            if default is None:
                self.refuse(key, N_("is missing; it must be %(what)s."), what=what)
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, N_("must be %(what)s."), what=what)
            return default
        return value

    def line(self, key: str, default: str | None = None, most: int = 300) -> str:
        """Return one line of text; empty only where there is a default."""
        return self._cleaned(key, default, most, normalize.line, _ONE_LINE)

    def markdown(self, key: str, default: str | None = "", most: int = 20_000) -> str:
        """Return text of any number of lines."""
        return self._cleaned(key, default, most, normalize.paragraphs, _MARKDOWN)

    def _cleaned(
        self, key: str, default: str | None, most: int, clean: Callable[[str], str], kind: Sentence
    ) -> str:
        what = kind if self.is_typed else Sentence(N_("%(kind)s, in quotes"), kind=kind)
        value = self.take(key, str, default, what)
        try:
            cleaned = clean(value or "")
        except normalize.ForbiddenCharacter as error:
            self.refuse(key, N_("%(said)s."), said=error.said)
            return ""
        if value is not None and not cleaned and default is None:
            self.refuse(key, N_("is empty; it must be %(what)s."), what=what)
        if len(cleaned) > most:
            self.refuse(
                key,
                N_ngettext(
                    "has %(num)s character; at most %(most)s are taken.",
                    "has %(num)s characters; at most %(most)s are taken.",
                ),
                num=len(cleaned),
                most=most,
            )
        return cleaned

    def choice(self, key: str, options: Iterable[str], default: str | None = None) -> str:
        """Return one of `options`."""
        value = self.line(key, default)
        if value and value not in options:
            self.refuse(key, N_("must be one of %(options)s."), options=", ".join(options))
        return value

    def url(self, key: str) -> str:
        """Return an http or https URL; empty if none is given."""
        value = self.line(key, "", most=2000)
        if value and not is_url(value):
            self.refuse(
                key, N_("must be a whole web address in ASCII, such as https://example.org/page.")
            )
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return bool(self.take(key, bool, default, Sentence(N_("true or false"))))

    def lines(self, key: str, default: list[str], what: Sentence) -> list[str]:
        """Return a list of lines of text."""
        found = self.take(key, list, default, what)
        if all(isinstance(item, str) and item.strip() for item in found):
            return [self._item(key, item) for item in found]
        self.refuse(key, N_("must be %(what)s."), what=what)
        return default

    def _item(self, key: str, item: str, most: int = 300) -> str:
        try:
            cleaned = normalize.line(item)
        except normalize.ForbiddenCharacter as error:
            self.refuse(key, N_("%(said)s."), said=error.said)
            return ""
        if len(cleaned) > most:
            self.refuse(
                key,
                N_ngettext(
                    "has an entry of %(num)s character; at most %(most)s are taken.",
                    "has an entry of %(num)s characters; at most %(most)s are taken.",
                ),
                num=len(cleaned),
                most=most,
            )
        return cleaned

    def tables(self, key: str, most: int) -> list["Table"]:
        """Return the tables of an array such as [[contributors]], in order."""
        what = Sentence(N_("written as [[%(key)s]]"), key=key)
        items = self.take(key, list, [], what)
        if not all(isinstance(item, dict) for item in items):
            self.refuse(key, N_("must be %(what)s."), what=what)
            return []
        if len(items) > most:
            self.refuse(
                key,
                N_ngettext(
                    "has %(num)s entry; at most %(most)s are taken.",
                    "has %(num)s entries; at most %(most)s are taken.",
                ),
                num=len(items),
                most=most,
            )
            return []
        return [
            Table(item, f"{self.path}{key}[{number}].", self.mistakes, is_typed=self.is_typed)
            for number, item in enumerate(items, start=1)
        ]

    def close(self) -> None:
        """Refuse every key that was not read."""
        for key in [key for key in self.values if key not in self.known_keys]:
            self.refuse(
                key, N_("is not known here; known are %(names)s."), names=", ".join(self.known_keys)
            )


def is_url(value: str) -> bool:
    """Whether `value` is an absolute http or https URL, with a host and without a user.

    It must be ASCII (RFC 3986): browsers copy international URLs in that form.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return (
        parts.scheme in {"http", "https"}
        and value.isascii()
        and bool(re.fullmatch(r"[^\s<>\"\\^`{|}]+", value))
        and bool(re.fullmatch(r"[\w-]++(?:\.[\w-]++)++|localhost", host))
        and "@" not in parts.netloc
        and port != 0
    )
