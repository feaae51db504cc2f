"""A language that marks every translated text, and the unmarked rest of a page.

Texts of people are Cyrillic in `SU`, so that a Latin word is one of the service's own.
"""

import re
from collections.abc import Iterator
from gettext import NullTranslations
from xml.etree.ElementTree import Element

import html5lib

SU = """
slug = "su"
title = "Өзен кімдікі?"
summary = "Өзендер мен көлдер."
description = "Арал теңізі туралы."
starts = 2026-04-02T17:00:00
ends = 2026-04-02T18:30:00
zone = "Asia/Almaty"
seats = 3
join_url = "https://meet.example.org/su"

[[contributors]]
role = "speaker"
name = "Сәуле"

[[contributors]]
role = "moderator"
name = "Тимур"

[[partners]]
role = "Серіктес"
name = "Зертхана"

[[questions]]
key = "city"
label = "Қай қала?"
kind = "choice"
options = ["Алматы", "Астана"]

[[questions]]
key = "rules"
label = "Келісемін"
kind = "yes"

[[sharing]]
partner = "Зертхана"
what = ["name", "email", "affiliation"]
why = "Шақыру үшін."
""".encode()
# The name of the site, names of products and formats, and what Babel says in English.
NAMES = """
Discussions Google Outlook Office Yahoo Apple iCalendar CSV TOML Markdown Excel HTML UTC and
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
January February March April May June July August September October November December
"""

# Text outside the brackets was not translated: the values that fill a sentence, too.
_VALUE = re.compile(r"(%\(\w+\)[sd]|%%)")
_TRANSLATED = re.compile(r"⟦[^⟦⟧]*⟧")
_OFFSET = re.compile("UTC[+\N{MINUS SIGN}][0-9:]+")
_UNSEEN = {"style", "script", "code"}
_SAID = ("title", "alt", "aria-label", "aria-description", "placeholder")
_BUTTONS = {"submit", "button", "reset"}
_EDGES = ".,;:?!()[]“”\"'·…{}→"


class Marked(NullTranslations):
    """A language in which every sentence stands between brackets, without its values."""

    def gettext(self, message: str) -> str:
        parts = _VALUE.split(message)
        return "".join(
            part if number % 2 or not part.strip() else f"⟦{part}⟧"
            for number, part in enumerate(parts)
        )

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.gettext(singular if number == 1 else plural)


def untranslated(text: str, *data: str) -> list[str]:
    """Return the Latin words of a text that are neither translated nor `data`.

    Addresses and paths are no words.
    """
    allowed = {word for item in data for word in item.split()}
    found = []
    for word in _TRANSLATED.sub(" ", text).split():
        bare = word.strip(_EDGES)
        is_word = re.search("[A-Za-z]{2}", bare) and not re.search("://|@|/|=", word)
        if is_word and bare not in allowed and not _OFFSET.fullmatch(bare):
            found.append(bare)
    return found


def untranslated_of_page(page: str, *data: str) -> list[str]:
    """Return the words of a page that are neither translated nor `data`: of its text, and of what
    is said in attributes."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    for element in list(tree.iter()):
        if element.tag in _UNSEEN:
            tail = element.tail
            element.clear()
            element.tail = tail
    return untranslated(" ".join([*tree.itertext(), *_attributes(tree)]), *data)


def _attributes(tree: Element) -> Iterator[str]:
    for element in tree.iter():
        yield from (element.get(name) or "" for name in _SAID)
        if element.tag == "input" and element.get("type") in _BUTTONS:
            yield element.get("value") or ""
