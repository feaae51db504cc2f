"""Plain sentences: comments, docstrings, and the names of modules and tests have a subject.

A headless clause ("who waits gets a seat", "what is off") hides its subject in a pronoun.
"""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
# To be lowered, never raised.
MOST_HEADLESS_CLAUSES = 5
BEFORE_WHO = (
    r"after|and|as|before|but|by|for|from|if|lets?|nobody|not|of|only|or|tells?|than|that|to|"
    r"unless|until|when|where|with"
)
AFTER_WHAT = (
    r"are|came|can|cannot|comes|did|does|falls|follows|had|happens|has|is|it|may|must|people|"
    r"remains|stands|they|was|were"
)
# People that "who" may refer to, and verbs that an indirect question may follow.
ANTECEDENTS = (
    r"administrators?|all|another|anybody|anyone|asks?|attackers?|attendees?|clients?|decides?|"
    r"each|everybody|everyone|find out|guests?|he|him|knows?|known|log of|name|nobody|one|"
    r"operators?|organizers?|others?|partners?|people|person|readers?|said|says?|see|she|"
    r"shows?|somebody|someone|speakers?|strangers?|tells?|them|they|those|users?|visitors?"
)
WHO = re.compile(
    rf"(?:^|[.:;,(—]\s+|\b(?:{BEFORE_WHO})\s+)(?P<who>(?:of |to )?who(?:m|se|ever|mever)?)\b(?!\?)",
    re.IGNORECASE,
)
WHAT = re.compile(rf"(?:^|[.:;]\s+|\()(?:of )?what\s+(?:{AFTER_WHAT})\b", re.IGNORECASE)
ENDS_IN_ANTECEDENT = re.compile(
    rf"\b(?:{ANTECEDENTS})\s*,?\s+(?:(?:by|for|from|of|to|with) )?$", re.IGNORECASE
)
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def headless(prose: str) -> list[str]:
    """Return the beginning of each clause that begins with a "who" or "what" without antecedent."""
    who = [
        it for it in WHO.finditer(prose) if not ENDS_IN_ANTECEDENT.search(prose[: it.start("who")])
    ]
    return [prose[it.start() :][:60] for it in [*who, *WHAT.finditer(prose)]]


def prose_of(path: Path) -> Iterator[str]:
    """Return the docstrings and comments of a file, each in one line; adjacent comments are one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, WITH_DOCSTRING):
            yield " ".join((ast.get_docstring(node) or "").split())
    comments, last_row = "", 0
    with tokenize.open(path) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            if token.type != tokenize.COMMENT:
                continue
            row, text = token.start[0], token.string.removeprefix("#").strip()
            if row != last_row + 1:
                yield comments
                comments = ""
            comments, last_row = f"{comments} {text}".strip(), row
    yield comments


def names_of_tests() -> Iterator[str]:
    """Return the name of every test after its file and a colon."""
    for path in sorted((TOP / "tests").rglob("test_*.py")):
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE):
            yield f"{path.relative_to(TOP)}:{name}"


def test_no_module_of_the_services_is_named_by_a_gerund():
    names = [path.stem for path in (TOP / "registration" / "services").rglob("*.py")]
    assert len(names) > 40
    assert [name for name in names if re.search(r"ing(_|$)", name)] == []


def test_few_sentences_have_a_headless_clause():
    clauses = [
        f"{path.relative_to(TOP)}: {clause}"
        for folder in ("registration", "tests")
        for path in sorted((TOP / folder).rglob("*.py"))
        for prose in prose_of(path)
        for clause in headless(prose)
    ]
    assert len(clauses) <= MOST_HEADLESS_CLAUSES, "\n".join(clauses)


def test_no_test_is_named_by_a_headless_clause():
    names = list(names_of_tests())
    assert len(names) > 1000
    headless_name = re.compile(r":test_(of_|to_)?(who(m|se|ever)?|what(ever)?)_")
    assert [name for name in names if headless_name.search(name)] == []


@pytest.mark.parametrize(
    "prose",
    [
        "Who waits gets a seat.",
        "Told by letter: who waits.",
        "It goes to whoever asks.",
        "What is off stays so.",
        "Seats (what may be had).",
    ],
)
def test_a_headless_clause_is_seen(prose):
    assert headless(prose) != []


@pytest.mark.parametrize(
    "prose",
    [
        "People who wait get a seat.",
        "Tell those to whom it was promised.",
        "The log says who signed in.",
        "Return what a form holds.",
        "Is it known who?",
    ],
)
def test_a_clause_with_a_subject_is_accepted(prose):
    assert headless(prose) == []


def test_prose_is_read_from_docstrings_and_comments_alone(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""One\ntwo."""\n\nASK = "Who pays?"  # three\n# four\n\n# five\n')
    assert [prose for prose in prose_of(path) if prose] == ["One two.", "three four", "five"]
