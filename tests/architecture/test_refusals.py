"""Every sentence that a page shows of a refusal or a mistake is marked, and in the catalogue."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import registration
from registration.refusals import Message, OperatorRefusal, Refusal, Sentence
from registration.text.languages import phrase
from registration.web import labels

from ..marked import untranslated

PACKAGE = Path(registration.__file__).parent
# What takes a message and its values: each must be given one that is marked.
TAKES_A_MESSAGE = {"Sentence", "NoSheet", "refuse", "_wrong"}


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Return every class of refusals that pages may phrase and that has a sentence."""
    for found in kind.__subclasses__():
        if found is not OperatorRefusal:
            yield from refusals(found)
            if hasattr(found, "sentence"):
                yield found


@pytest.fixture(scope="module", autouse=True)
def _everything_imported() -> None:
    for module in pkgutil.walk_packages([str(PACKAGE)], "registration."):
        if ".migrations." not in module.name:
            importlib.import_module(module.name)


def filled(message: Message) -> Sentence:
    names = re.findall(r"%\((\w+)\)s", message if isinstance(message, str) else "".join(message))
    return Sentence(message, **dict.fromkeys([*names, "num"], 2))


@pytest.mark.usefixtures("marked")
def test_every_refusal_that_a_page_may_show_is_phrased():
    found = list(refusals())
    assert len(found) > 30
    assert [it for it in found if untranslated(phrase(filled(it.sentence)))] == []


def test_every_refusal_that_a_page_may_show_is_in_the_catalogue():
    with (PACKAGE / "translations" / "messages.pot").open("rb") as file:
        catalogue = read_po(file)
    messages = [
        it.sentence if isinstance(it.sentence, str) else it.sentence[0] for it in refusals()
    ]
    assert [message for message in messages if message not in catalogue] == []


@pytest.mark.parametrize("room", ["discussion_file", "services/attendees/imports"])
def test_every_mistake_is_told_by_a_message_that_is_marked(room):
    unmarked, marked = [], 0
    for path in sorted((PACKAGE / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in TAKES_A_MESSAGE:
                is_text = any(isinstance(it, ast.Constant | ast.JoinedStr) for it in node.args[-1:])
                unmarked += [f"{path.name}:{node.lineno}"] * is_text
                marked += any(
                    _name(it.func) == "N_" for it in node.args if isinstance(it, ast.Call)
                )
    assert unmarked == []
    assert marked > 10


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


@pytest.mark.usefixtures("marked")
def test_every_stored_key_that_the_desk_shows_has_words():
    for words in (labels.deed_words, labels.letter_words, labels.letter_state_words,
                  labels.status_words):  # fmt: skip
        kinds = next(iter(words.__annotations__.values()))
        assert [it for it in kinds if "⟦" not in words(it)] == []


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("own", ["cannot be written", "The mail server refuses the sender"])
def test_a_stored_answer_is_translated_before_its_quotation(own):
    assert labels.answer_words(f"{own}: ValueError.").startswith(f"⟦{own}⟧: ")


@pytest.mark.usefixtures("marked")
def test_a_stored_answer_within_another_is_translated_too():
    said = labels.answer_words("The mail server: no answer in time.")
    assert said == "⟦The mail server⟧: ⟦no answer in time⟧"


def test_the_words_of_a_mail_server_are_quoted():
    assert labels.answer_words("550 5.1.1 <address>: gone") == "550 5.1.1 <address>: gone"
