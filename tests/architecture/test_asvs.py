"""docs/asvs.md: it has each requirement once, and what it names is there."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

TOP = Path(__file__).parent.parent.parent
PAGE = (TOP / "docs" / "asvs.md").read_text()
STATES = {"met", "partly", "not met", "n/a"}
NUMBERS = r"(?:\d+\.\d+\.\d+)(?:, \d+\.\d+\.\d+)*"
ROWS = re.findall(rf"^\| ({NUMBERS}) \| (.*) \|$", PAGE, re.MULTILINE)
# To start programs, to bring objects back from bytes, to read XML.
FORBIDDEN = {"subprocess", "pty", "pickle", "marshal", "shelve", "dill", "yaml", "xml", "lxml"}


def wanted() -> dict[str, str]:
    """Return the level of each requirement of levels 1 and 2, by its number."""
    lines = (TOP / "tests" / "data" / "asvs-5.0.0.txt").read_text().splitlines()
    return dict(line.split(" ") for line in lines if not line.startswith("#"))


def rows() -> list[tuple[list[str], list[str]]]:
    """Return the numbers and the other cells of each row."""
    return [(numbers.split(", "), rest.split(" | ")) for numbers, rest in ROWS]


@cache
def defined_in(path: str) -> set[str]:
    tree = ast.parse((TOP / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_list_has_as_many_requirements_as_the_standard():
    assert Counter(wanted().values()) == {"1": 70, "2": 183}


def test_every_requirement_of_levels_1_and_2_is_there_once():
    named = Counter(number for numbers, _cells in rows() for number in numbers)
    assert set(named) ^ wanted().keys() == set()
    assert {number: count for number, count in named.items() if count > 1} == {}


def test_every_row_has_its_level_a_state_and_a_place_or_a_reason():
    levels = wanted()
    for numbers, cells in rows():
        assert len(cells) == 5, numbers
        level, subject, state, where, _tests = cells
        assert level == "/".join(sorted({levels[number] for number in numbers})), numbers
        assert state in STATES, numbers
        assert len(subject) > 2, numbers
        assert len(where) > 9, f"{numbers}: no place, no reason"


def test_the_numbers_above_the_tables_are_those_of_the_rows():
    counted: Counter[str] = Counter()
    for numbers, cells in rows():
        counted[cells[2]] += len(numbers)
    said = re.findall(r"^\| ([a-z /]+) \| (\d+) \| ", PAGE, re.MULTILINE)
    assert {state: int(count) for state, count in said} == counted


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 150
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []
    assert PAGE.count("::test_") == len(named), "a test is named in another form"


def test_every_module_and_section_that_the_page_names_is_there():
    paths = set(
        re.findall(r"`((?:registration|deploy|templates|requirements|docs)/[\w/.-]*)`", PAGE)
    )
    assert len(paths) > 50
    assert [path for path in paths if not (TOP / path).exists()] == []
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", it.lower()).replace(" ", "-") for it in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) - anchors == set()


def test_the_service_imports_nothing_that_runs_or_revives_input():
    for path in (TOP / "registration").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        plain = [
            alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
        ]
        of = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
        imported = {name.partition(".")[0] for name in plain + [node.module or "" for node in of]}
        assert imported & FORBIDDEN == set(), path
        called = {node.func.id for node in nodes
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
        assert called & {"eval", "exec", "__import__"} == set(), path
