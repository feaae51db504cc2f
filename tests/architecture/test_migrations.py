"""Migrations stand alone: each copies the parts of the service that it needs, as of its time."""

import ast
from pathlib import Path

import pytest

from registration.services.operations import schema

VERSIONS = sorted((schema.MIGRATIONS / "versions").glob("*.py"))


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports, anywhere in it; a relative one with its dots."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append("." * node.level + (node.module or ""))
    return found


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_migration_imports_nothing_of_the_service(path):
    assert [name for name in imported(path) if name.startswith((".", "registration"))] == []


def test_the_look_for_imports_finds_each_kind(tmp_path):
    path = tmp_path / "migration.py"
    path.write_text("import a.b\nfrom c import d\n\ndef upgrade():\n    from ..e import f\n")
    assert imported(path) == ["a.b", "c", "..e"]
