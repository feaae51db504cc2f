"""Hands out the values of one TOML table, checked, and collects every mistake with its key."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..text import normalize


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong: what of (`contributors[2].url`; empty if of the whole), and a sentence
    that goes on from there."""

    key: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.key} {self.sentence}".strip()


class Table:
    """One table of the file: hands out its values, and collects what is wrong with them.

    What was typed into a form has no quotes, so that no mistake speaks of them there.
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
        self.asked: list[str] = []
        self.told: set[str] = set()

    def wrong(self, key: str, sentence: str) -> None:
        """Note a mistake; the first of a key is the one to mend, so that only it is told."""
        if key in self.told:
            return
        self.told.add(key)
        # A quoted TOML key may hold anything, line ends too; a mistake is one line.
        shown = key if key.isprintable() else repr(key)
        self.mistakes.append(Mistake(f"{self.path}{shown}", sentence))

    def take(self, key: str, kind: type, default: Any, what: str) -> Any:
        """Return the value of `key` if it is of `kind`, else note that it must be `what`."""
        self.asked.append(key)
        if key not in self.values:
            if default is None:
                self.wrong(key, f"is missing; it must be {what}.")
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(key, f"must be {what}.")
            return default
        return value

    def line(self, key: str, default: str | None = None, most: int = 300) -> str:
        """Return one line of text; empty only where there is a default."""
        return self._cleaned(key, default, most, normalize.line, "one line of text")

    def markdown(self, key: str, default: str | None = "", most: int = 20_000) -> str:
        """Return text of any number of lines."""
        return self._cleaned(key, default, most, normalize.paragraphs, "text (Markdown)")

    def _cleaned(
        self, key: str, default: str | None, most: int, clean: Callable[[str], str], what: str
    ) -> str:
        what += "" if self.is_typed else ", in quotes"
        value = self.take(key, str, default, what)
        try:
            cleaned = clean(value or "")
        except normalize.ForbiddenCharacter as error:
            self.wrong(key, f"{error}.")
            return ""
        if value is not None and not cleaned and default is None:
            self.wrong(key, f"is empty; it must be {what}.")
        if len(cleaned) > most:
            self.wrong(key, f"has {len(cleaned)} characters; at most {most} are taken.")
        return cleaned

    def choice(self, key: str, options: Iterable[str], default: str | None = None) -> str:
        """Return one of `options`."""
        value = self.line(key, default)
        if value and value not in options:
            self.wrong(key, f"must be one of {', '.join(options)}.")
        return value

    def url(self, key: str) -> str:
        """Return an http or https address, or nothing where none is given."""
        value = self.line(key, "", most=2000)
        if value and not is_url(value):
            self.wrong(
                key, "must be a whole web address in ASCII, such as https://example.org/page."
            )
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return bool(self.take(key, bool, default, "true or false"))

    def lines(self, key: str, default: list[str], what: str) -> list[str]:
        """Return a list of lines of text."""
        found = self.take(key, list, default, what)
        if all(isinstance(item, str) and item.strip() for item in found):
            return [self._item(key, item) for item in found]
        self.wrong(key, f"must be {what}.")
        return default

    def _item(self, key: str, item: str, most: int = 300) -> str:
        try:
            cleaned = normalize.line(item)
        except normalize.ForbiddenCharacter as error:
            self.wrong(key, f"{error}.")
            return ""
        if len(cleaned) > most:
            self.wrong(key, f"has an entry of {len(cleaned)} characters; at most {most} are taken.")
        return cleaned

    def tables(self, key: str, most: int) -> list["Table"]:
        """Return the tables of an array such as [[contributors]], in order."""
        found = self.take(key, list, [], f"written as [[{key}]]")
        if not all(isinstance(item, dict) for item in found):
            self.wrong(key, f"must be written as [[{key}]].")
            return []
        if len(found) > most:
            self.wrong(key, f"has {len(found)} entries; at most {most} are taken.")
            return []
        return [
            Table(item, f"{self.path}{key}[{number}].", self.mistakes, is_typed=self.is_typed)
            for number, item in enumerate(found, start=1)
        ]

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for key in [key for key in self.values if key not in self.asked]:
            self.wrong(key, f"is not known here; known are {', '.join(self.asked)}.")


def is_url(value: str) -> bool:
    """Whether `value` is a whole http or https address, with a host and without a user.

    It is ASCII, as URIs are (RFC 3986): browsers copy international ones in that form.
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
