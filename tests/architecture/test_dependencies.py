"""Dependencies: pinned, explained, and listed in a standard SBOM."""

import json
import re
import subprocess
import sys
import tomllib
from datetime import date
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent.parent
PAGE = (TOP / "docs" / "dependencies.md").read_text()
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, str]:
    """Return the versions by package that a file of requirements pins."""
    text = (TOP / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def table(title: str) -> list[dict[str, str]]:
    """Return the rows of the page's table under `title`, by column."""
    part = re.split(rf"^## {re.escape(title)}.*$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    header, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return [dict(zip(header, row, strict=True)) for row in rows]


RUN = table("At run time")
POSTGRES = table("At run time, with PostgreSQL")
TESTS = table("For tests")
OLD = table("Older than 18 months")
PINS = {name: pins(name) for name in ("run", "postgres", "test")}
# Not everything that is pinned has files for every kind of machine.
INSTALLED: dict[str, Any] = {canonicalize_name(one.name): one for one in distributions()}


def versions(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["package"]: row["version"] for row in rows}


def asked(requirements: list[str]) -> set[str]:
    """Return the packages that `requirements` name, for Python 3.11 on Linux."""
    found = map(Requirement, requirements)
    machine = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
    machine |= {"platform_machine": "x86_64", "platform_system": "Linux", "extra": ""}
    return {
        canonicalize_name(one.name)
        for one in found
        if not one.marker or one.marker.evaluate(machine)
    }


def test_the_page_lists_exactly_what_is_pinned_for_run_time():
    assert versions(RUN) == PINS["run"]
    assert versions(RUN + POSTGRES) == PINS["postgres"]


def test_the_page_lists_what_the_tests_name_as_it_is_pinned():
    named = asked(PROJECT["dependency-groups"]["test"])
    assert versions(TESTS) == {name: PINS["test"][name] for name in named}


def test_one_version_of_a_package_serves_run_time_and_tests():
    assert PINS["run"].items() <= PINS["postgres"].items() <= PINS["test"].items()


def test_the_page_says_who_needs_each_package_as_their_metadata_do():
    ours = asked(PROJECT["project"]["dependencies"])
    extra = asked(PROJECT["project"]["optional-dependencies"]["postgres"])
    needed = {row["package"]: set() for row in RUN}
    for name in ours:
        needed[name].add("us")
    for name in PINS["run"].keys() & INSTALLED.keys():
        for other in asked(INSTALLED[name].requires or []):
            needed[other].add(name)
    assert {row["package"]: set(row["needed by"].split(", ")) for row in RUN} == needed
    assert {row["package"] for row in POSTGRES if row["needed by"] == "us"} == extra


@pytest.mark.parametrize("row", RUN + POSTGRES + TESTS, ids=lambda row: row["package"])
def test_every_dependency_has_a_licence_a_date_and_what_it_does_for_us(row):
    assert re.fullmatch(r"[\w.-]+( OR [\w.-]+)*", row["licence"])
    assert date.fromisoformat(row["released"]) <= stated()
    assert len(row["what it does for us"].split()) >= 2


@pytest.mark.parametrize(
    "row",
    [row for row in RUN + POSTGRES + TESTS if row["package"] in INSTALLED],
    ids=lambda row: row["package"],
)
def test_the_licence_is_the_one_that_the_package_states(row):
    metadata = INSTALLED[row["package"]].metadata
    states = metadata["License-Expression"]
    texts = "".join(metadata.get_all("Classifier", [])) + (metadata["License"] or "")
    if states:
        assert row["licence"] == states
    elif texts and "License ::" in texts:
        # Such as "License :: OSI Approved :: BSD License", which has no version.
        kind = {"ZPL": "Zope", "Unlicense": "Unlicense"}.get(row["licence"].split("-")[0])
        assert (kind or row["licence"].split("-")[0]) in texts


def stated() -> date:
    """Return the date of which the page speaks."""
    return date.fromisoformat(re.search(r"as of (\d{4}-\d\d-\d\d)", PAGE)[1])


def test_releases_older_than_18_months_and_no_others_have_a_reason():
    months = stated().year * 12 + stated().month - 1 - 18
    limit = stated().replace(year=months // 12, month=months % 12 + 1, day=min(stated().day, 28))
    old = {
        row["package"]
        for row in RUN + POSTGRES + TESTS
        if date.fromisoformat(row["released"]) < limit
    }
    assert {row["package"] for row in OLD} == old
    assert all(len(row["why it is kept"].split()) >= 8 for row in OLD)


@pytest.fixture(scope="module")
def sbom() -> str:
    return made()


def read_back(sbom: str) -> Any:
    """Return the SBOM as the library for such files reads it."""
    return Bom.from_json(json.loads(sbom))  # type: ignore[attr-defined]


def made(**how: Any) -> str:
    command = [sys.executable, "-I", TOP / "requirements" / "sbom.py"]
    return subprocess.run(command, check=True, capture_output=True, text=True, **how).stdout


def test_the_sbom_is_valid_by_its_schema(sbom):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
    broken = sbom.replace('"type": "library"', '"type": "canary"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_the_sbom_lists_exactly_what_is_pinned_with_every_hash_and_a_licence(sbom):
    read = read_back(sbom)
    assert {part.name: part.version for part in read.components} == PINS["run"]
    hashes = [
        digest.content
        for part in read.components
        for link in part.external_references
        for digest in link.hashes
    ]
    pinned = re.findall(r"sha256:(\w{64})", (TOP / "requirements" / "run.txt").read_text())
    assert sorted(hashes) == sorted(pinned)
    assert all(len(part.licenses) == 1 for part in read.components)


def test_every_part_of_the_sbom_is_needed_by_another(sbom):
    read = read_back(sbom)
    assert read.validate()
    direct = next(one for one in read.dependencies if one.ref.value == "us")
    ours = asked(PROJECT["project"]["dependencies"])
    assert {one.ref.value for one in direct.dependencies} == ours
    needed = {one.ref.value for part in read.dependencies for one in part.dependencies}
    assert needed == set(PINS["run"])


def test_the_sbom_is_reproducible_and_names_no_machine_and_no_index(sbom, tmp_path):
    assert made(cwd=tmp_path, env={"PYTHONHASHSEED": "7", "TZ": "Asia/Almaty"}) == sbom
    assert str(TOP) not in sbom
    assert re.findall(r"https?://[^\"]+", sbom) == [
        "http://cyclonedx.org/schema/bom-1.6.schema.json"
    ]
