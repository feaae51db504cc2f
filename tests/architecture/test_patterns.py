"""Regular expressions: each one in the source takes time linear in its input.

Python's `re` holds the interpreter while it searches: one bad pattern stops the whole process.
"""

import ast
import importlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

TOP = Path(__file__).parent.parent.parent
USES = {"fullmatch", "match", "search", "sub", "split", "findall", "finditer"}
# Linear ones take a tenth of this, quadratic ones twice as long or more.
LONG, QUICK_SECONDS = 2000, 0.002
# Values for the variables in patterns that are put together at run time.
LOCALS = {"part": "Almaty"}


@dataclass(frozen=True)
class Pattern:
    """A regular expression as it stands in a file, and the ways in which it is used there."""

    place: str
    compiled: re.Pattern
    uses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place} {self.compiled.pattern!r}"


def patterns() -> list[Pattern]:
    """Return every regular expression of the service, read out of its source."""
    files = sorted((TOP / "registration").rglob("*.py"))
    return [found for path in files for found in _in_file(path)]


def _in_file(path: Path) -> Iterator[Pattern]:
    text = path.read_text()
    if "import re\n" not in text:
        return
    name = ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
    scope = vars(importlib.import_module(name))
    tree = ast.parse(text)
    node: Any
    for node in ast.walk(tree):
        if not _is_call_of_re(node):
            continue
        given = eval(compile(ast.Expression(node.args[0]), name, "eval"), scope | LOCALS)
        flags = [word.value for word in node.keywords if word.arg == "flags"]
        flags += [word for word in node.args[1:] if "re." in ast.unparse(word)]
        value = 0
        for flag in flags:
            value |= eval(compile(ast.Expression(flag), name, "eval"), scope)
        found = re.compile(given, value)
        uses = (node.func.attr,) if node.func.attr in USES else _uses(tree, node)
        yield Pattern(f"{path.relative_to(TOP)}:{node.lineno}", found, uses)


def _is_call_of_re(node: Any) -> bool:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if not is_call or ast.unparse(node.func.value) != "re":
        return False
    return node.func.attr in {*USES, "compile"}


def _uses(tree: ast.Module, made: ast.AST) -> tuple[str, ...]:
    """Return the methods called on a compiled pattern; the usual ones if none is seen."""
    names = [
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value is made
    ]
    found = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in names
    }
    return tuple(sorted(found & USES)) or ("fullmatch", "search")


@cache
def all_patterns() -> list[Pattern]:
    return patterns()


def test_the_patterns_of_the_source_are_found():
    assert len(all_patterns()) > 50


@pytest.mark.parametrize("pattern", all_patterns(), ids=str)
def test_no_repetition_that_can_backtrack_stands_in_another(pattern):
    assert not is_nested(parser.parse(pattern.compiled.pattern, pattern.compiled.flags))


def is_nested(tree: Any, *, within: bool = False) -> bool:
    """Whether an unbounded repetition is inside another one. Possessive ones (`*+`, `++`) and
    atomic groups give nothing back, so nothing can be tried in many ways."""
    if isinstance(tree, parser.SubPattern | list):
        return any(is_nested(item, within=within) for item in tree)
    if not isinstance(tree, tuple):
        return False
    if tree and tree[0] in {ops.POSSESSIVE_REPEAT, ops.ATOMIC_GROUP}:
        return is_nested(tree[1:], within=False)
    if tree and tree[0] in {ops.MAX_REPEAT, ops.MIN_REPEAT}:
        _least, most, content = tree[1]
        is_unbounded = most is ops.MAXREPEAT
        return (within and is_unbounded) or is_nested(content, within=within or is_unbounded)
    return any(is_nested(item, within=within) for item in tree)


@pytest.mark.parametrize(
    "nested",
    [r"/organizer/(?:[a-z0-9-]+/?)*(?:\?[a-z]*)?", r"(a+)+", r"(?:a*?b?)*c", r"((a+){2,})x"],
)
def test_a_nested_repetition_is_seen(nested):
    assert is_nested(parser.parse(nested))


@pytest.mark.parametrize(
    "plain", [r"[a-z]++(?:-[a-z]++)*+", r"(?:abc|ab)+", r"a+b+", r"(?:a{1,3})+"]
)
def test_a_plain_repetition_is_accepted(plain):
    assert not is_nested(parser.parse(plain))


@pytest.mark.parametrize("pattern", all_patterns(), ids=str)
def test_near_misses_take_time_that_grows_with_their_length(pattern):
    for text, use in product(near_misses(pattern.compiled), pattern.uses):
        # Short ones first: what grows too fast must not hold the tests up either.
        for length in (LONG // 20, LONG // 4, LONG):
            assert seconds(pattern.compiled, use, text(length)) < QUICK_SECONDS, text(60)


def seconds(pattern: re.Pattern, use: str, text: str | bytes) -> float:
    """Return the least of five tries: another process can hold one up."""
    arguments = (text[:0], text) if use == "sub" else (text,)
    method, tries = getattr(pattern, use), []
    for _ in range(5):
        started = time.perf_counter()
        made = method(*arguments)
        if use == "finditer":
            list(made)
        tries.append(time.perf_counter() - started)
        if tries[-1] < QUICK_SECONDS:
            break
    return min(tries)


def near_misses(pattern: re.Pattern) -> Iterator:
    """Return texts, each by its length, that repeat what a pattern is made of and end wrongly."""
    letters = sorted(_letters(parser.parse(pattern.pattern, pattern.flags)))[:14]
    empty, encode = pattern.pattern[:0], lambda text: text
    if isinstance(empty, bytes):
        encode = lambda text: text.encode("latin-1", "replace")  # noqa: E731
    units = [*letters, *map("".join, product(letters, repeat=2))]
    head = _least(parser.parse(pattern.pattern, pattern.flags))
    for unit, start, end in product(units, ("", head), ("", "\x00", "!")):
        yield lambda length, unit=unit, start=start, end=end: encode(
            start + unit * ((length - len(start) - 1) // len(unit) + 1) + end
        )


def _letters(tree: Any) -> set[str]:
    """Return letters that a pattern names, with one of each range and class."""
    named: set[str] = set()
    if isinstance(tree, parser.SubPattern | list):
        for item in tree:
            named |= _letters(item)
    elif isinstance(tree, tuple) and tree:
        kind = tree[0]
        if kind in {ops.LITERAL, ops.NOT_LITERAL}:
            named.add(chr(tree[1]))
        elif kind is ops.RANGE:
            named.add(chr(tree[1][0]))
        elif kind in {ops.CATEGORY, ops.ANY}:
            named |= {"a", "1", " "}
        else:
            for item in tree[1:]:
                named |= _letters(item)
    return named


def _least(tree: Any) -> str:
    """Return about the shortest text that begins as a pattern wants it, up to its first choice."""
    said = ""
    for kind, value in tree:
        if kind is ops.LITERAL:
            said += chr(value)
        elif kind in {ops.SUBPATTERN, ops.ATOMIC_GROUP}:
            said += _least(value[-1] if kind is ops.SUBPATTERN else value)
        elif kind in {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}:
            said += _least(value[2]) * value[0]
        elif kind is ops.IN:
            said += next(iter(sorted(_letters(value))), "")
        else:
            break
    return said
