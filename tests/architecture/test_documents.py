"""The documents name what exists: each path and function in backticks, and the tree."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
TEXT = (TOP / "ARCHITECTURE.md").read_text()
TREE = TEXT.split("```\n")[1]
PROSE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
PATHS = [span for span in SPANS if re.fullmatch(r"[\w/.]+\.(py|toml|html|txt)", span)]
GUIDES = sorted((TOP / "docs" / "how-to").glob("*.md"))
OTHERS = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
# Columns of the database are named in the same way.
COLUMNS = {"mailings.groups", "exports.columns"}
NAMES = [
    span for span in SPANS if re.fullmatch(r"\w+\.\w+", span) and span not in {*PATHS, *COLUMNS}
]
SOURCES = {".py", ".html", ".txt"}
# Text of an entry begins here, below the path of its first row.
MARGIN = 23


@cache
def files() -> list[Path]:
    """Return the modules of the service, from the top of the checkout."""
    found = (path.relative_to(TOP) for path in (TOP / "registration").rglob("*.py"))
    return [path for path in found if "versions" not in path.parts]


@cache
def words_of_the_code() -> set[str]:
    """Return every word of the service and its tests."""
    folders = (TOP / "registration", TOP / "tests", TOP / "templates")
    found = [path for folder in folders for path in folder.rglob("*") if path.suffix in SOURCES]
    return {word for path in found for word in re.findall(r"\w+", path.read_text())}


def entries() -> dict[Path, str]:
    """Return the text of each entry of the tree, by its path."""
    found: dict[Path, str] = {}
    above: list[tuple[int, Path]] = []
    last = Path()
    for row in TREE.splitlines():
        indent = len(row) - len(row.lstrip())
        if indent >= MARGIN:
            found[last] += "\n" + row.strip()
            continue
        names, _, text = row.strip().partition("   ")
        above = [(deep, path) for deep, path in above if deep < indent]
        folder = above[-1][1] if above else Path()
        for name in re.split(r", ", names):
            last = folder / name.split()[0]
            found[last] = text
        above.append((indent, last))
    return found


def names_of(path: Path) -> set[str]:
    """Return the names that a module has at its top level."""
    found: set[str] = set()
    for node in ast.parse((TOP / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_the_document_names_enough_to_be_checked():
    assert len(PATHS) > 15
    assert len(NAMES) > 20
    assert len(entries()) > 50


@pytest.mark.parametrize("span", PATHS)
def test_every_path_of_the_architecture_is_there(span):
    assert any(f"/{path}".endswith(f"/{span}") for path in [*files(), Path("pyproject.toml")]), (
        "no file has this path"
    )


@pytest.mark.parametrize("page", OTHERS, ids=lambda path: str(path.relative_to(TOP)))
def test_every_path_in_backticks_of_a_document_is_there(page):
    spans = re.findall(r"`((?:registration|templates|tests|docs)/[\w/.-]*)`", page.read_text())
    assert [span for span in spans if not (TOP / span).exists()] == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda path: path.stem)
def test_every_name_in_backticks_of_a_guide_is_in_the_code(page):
    names = re.findall(r"`((?:\w+\.)?(?:[A-Za-z]*_\w+|[A-Z]\w+))[`(]", page.read_text())
    words = {word for name in names for word in name.split(".")}
    assert words - words_of_the_code() == set()


@pytest.mark.parametrize("span", NAMES)
def test_every_function_in_backticks_is_in_its_module(span):
    module, name = span.split(".")
    homes = [path for path in files() if module in {path.stem, path.parent.name}]
    assert any(name in names_of(path) for path in homes), f"no {module} has {name}"


def test_every_entry_of_the_tree_is_there():
    assert [str(path) for path in entries() if not (TOP / path).exists()] == []


def test_every_module_has_its_place_in_the_tree():
    named = entries()
    missing = []
    for path in files():
        if path.name == "__init__.py" or path.parent.name in {"imports", "backups", "migrations"}:
            continue
        words = re.findall(r"\w+", named.get(path.parent, ""))
        if path not in named and path.stem not in words:
            missing.append(str(path))
    assert missing == []


def test_the_tree_names_no_module_that_is_gone():
    gone = []
    for folder, text in entries().items():
        if folder.parts[0] != "registration" or folder.suffix:
            continue
        # A single word between commas is a module; explanations stand in brackets.
        plain = re.sub(r"\([^()]*\)", "", text)
        for part in re.split(r"[,;:.\n]", plain):
            name = part.strip().rstrip("/")
            if re.fullmatch(r"[a-z_]+", name) and not _is_in(TOP / folder, name):
                gone.append(f"{folder}: {name}")
    assert gone == []


def _is_in(folder: Path, name: str) -> bool:
    return (folder / name).is_dir() or any(folder.glob(f"{name}.*"))
