"""The SBOM: what a server runs, as CycloneDX 1.6 JSON on standard output.

Versions and hashes are those of `run.txt`; licences and who needs whom those of
docs/dependencies.md; our own version is that of registration/version.py. It asks no index and no
environment, so that the same checkout gives the same bytes on every machine.
"""

import json
import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<hashes>.*?)(?=^[\w.-]+==|\Z)", re.M | re.S
)
ROW = re.compile(
    r"^\| (?P<name>[\w.-]+) \| [^|]+ \| [^|]+ \| (?P<licence>[^|]+) \| (?P<by>[^|]+) \|"
)


def bill() -> dict[str, Any]:
    """Return the bill of materials; `SystemExit` if the page lacks a package that is pinned."""
    pins = list(PIN.finditer((TOP / "requirements" / "run.txt").read_text()))
    page = (TOP / "docs" / "dependencies.md").read_text()
    rows = {row["name"]: row for row in map(ROW.match, page.splitlines()) if row}
    lacking = [pin["name"] for pin in pins if pin["name"] not in rows]
    if lacking:
        sys.exit(f"docs/dependencies.md says nothing of {', '.join(lacking)}.")
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    service = {
        "bom-ref": "us",
        "type": "application",
        "name": project["name"],
        "version": runpy.run_path(str(TOP / "registration" / "version.py"))["VERSION"],
        "description": project["description"],
        "licenses": [{"expression": project["license"]}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": service},
        "components": [_component(pin, rows[pin["name"]]) for pin in pins],
        "dependencies": _dependencies([pin["name"] for pin in pins], rows),
    }


def _component(pin: re.Match[str], row: re.Match[str]) -> dict[str, Any]:
    """Return one package. Its hashes are those of all its files: which one is installed, the
    machine decides."""
    purl = f"pkg:pypi/{pin['name']}@{pin['version']}"
    hashes = re.findall(r"sha256:([0-9a-f]{64})", pin["hashes"])
    files = {
        "type": "distribution",
        "url": purl,
        "hashes": [{"alg": "SHA-256", "content": content} for content in hashes],
    }
    return {
        "bom-ref": pin["name"],
        "type": "library",
        "name": pin["name"],
        "version": pin["version"],
        "purl": purl,
        "licenses": [{"expression": row["licence"]}],
        "externalReferences": [files],
    }


def _dependencies(names: list[str], rows: dict[str, re.Match[str]]) -> list[dict[str, Any]]:
    needed_by = {name: rows[name]["by"].split(", ") for name in names}
    return [
        {"ref": who, "dependsOn": [name for name in names if who in needed_by[name]]}
        for who in ("us", *names)
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(), indent=2) + "\n")
