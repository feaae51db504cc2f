"""Every word that people read goes through gettext, and the catalogue of words is current."""

import re
import subprocess
import sys
from gettext import NullTranslations
from pathlib import Path

import html5lib
import pytest

from registration.text import languages

from .. import builders
from ..machine import on_sqlite

TOP = Path(__file__).parent.parent.parent
PAGES = ["/", "/discussions/water", "/discussions/water/register", "/privacy", "/nothing",
         "/discussions/water/registered", "/registrations/find", "/registrations/sent",
         "/registrations/erased"]  # fmt: skip


class Marked(NullTranslations):
    """A language in which every translated sentence stands between brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return f"⟦{singular if number == 1 else plural}⟧"


@pytest.fixture
def _marked(monkeypatch):
    # Translations are data, read from files: this is one more of them.
    monkeypatch.setattr(languages, "translations", lambda _language: Marked())


def test_the_catalogue_of_words_is_current(tmp_path):
    fresh = tmp_path / "messages.pot"
    command = [
        *(sys.executable, "-m", "babel.messages.frontend", "-q", "extract", "-F", "pyproject.toml"),
        *("--omit-header", "--sort-by-file", "--no-location", "-o", fresh, "."),
    ]
    subprocess.run(command, cwd=TOP, check=True)
    kept = TOP / "registration" / "translations" / "messages.pot"
    assert fresh.read_text() == kept.read_text(), "extract the words again (CONTRIBUTING.md)"


@on_sqlite
@pytest.mark.usefixtures("_marked")
@pytest.mark.parametrize("path", PAGES)
def test_every_word_of_a_page_is_translatable(app, visitor, path):
    builders.publish()
    assert untranslatable(visitor.get(path).text) == []


@on_sqlite
@pytest.mark.usefixtures("_marked")
def test_every_word_of_the_attendees_page_is_translatable(app, visitor):
    builders.publish()
    builders.register()
    token = builders.attendee().token
    assert untranslatable(visitor.get(f"/registrations/{token}").text) == []
    builders.confirm()
    assert untranslatable(visitor.get(f"/registrations/{token}").text) == []
    wrong = visitor.fill(f"/registrations/{token}", "/change", name="", email="x")
    assert untranslatable(wrong.text) == []


@on_sqlite
@pytest.mark.usefixtures("_marked")
def test_every_word_of_the_letters_is_translatable(app):
    builders.publish()
    builders.register()
    builders.deliver()
    builders.confirm()
    builders.deliver()
    letters = builders.kept_letters(app)
    assert len(letters) == 2
    for letter in letters:
        assert "⟦" in letter["Subject"]
        assert untranslatable(letter.get_body(("html",)).get_content()) == []


def untranslatable(page: str) -> list[str]:
    """Return the words of a page that are neither translated nor data of the test."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.tag in {"style", "script", "code"}:
                parent.remove(child)
    text = " ".join(tree.itertext())
    while "⟦" in text:
        text = re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    words = (word.strip(".,;:?()") for word in text.split() if "://" not in word)
    return [word for word in words if re.search(r"[^\W\d_]{2}", word) and word not in DATA]


# Words of organizers and attendees, dates, and addresses.
WRITTEN = """
Who owns the water? About the Aral Sea. Saule Suleimenova Hydrologist Institute of Geography
Studies rivers. Discussions hosts@example.org aigerim@example.org Айгерим
Thursday April March May UTC+5 Asia/Almaty UTC
"""
DATA = {word.strip(".,;:?()") for word in WRITTEN.split()}
