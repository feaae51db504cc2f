"""The wheel: installed anywhere, it has all that the service needs."""

import hashlib
import json
import re
import subprocess
import sys
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from registration.version import VERSION

pytestmark = pytest.mark.slow

TOP = Path(__file__).parent.parent.parent
# SHA-256 of the text that the Free Software Foundation publishes.
AGPL = "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_templates_translations_migrations_and_static_files(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "registration/static", "registration/translations"):
        inside = [path for path in (TOP / folder).rglob("*") if path.is_file()]
        assert inside
        for path in inside:
            name = path.relative_to(TOP).as_posix()
            inside_name = name if name.startswith("registration/") else f"registration/{name}"
            assert inside_name in names
    assert any(name.startswith("registration/migrations/versions/0001") for name in names)
    # Neither tests nor tools of development.
    assert {name.partition("/")[0] for name in names} == {
        "registration",
        f"registration-{VERSION}.dist-info",
    }


def test_one_version_stands_in_the_wheel_the_sbom_and_the_changelog(wheel):
    assert metadata_of(wheel)["Version"] == VERSION
    sbom = subprocess.check_output([sys.executable, TOP / "requirements" / "sbom.py"])
    assert json.loads(sbom)["metadata"]["component"]["version"] == VERSION
    changes = (TOP / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\d\S+)", changes, re.MULTILINE)[0] == VERSION


def metadata_of(wheel: Path) -> Message:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(archive.read(name))


def test_the_wheel_carries_the_whole_agpl_unchanged(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = metadata_of(wheel)
    assert metadata["License-Expression"] == "AGPL-3.0-or-later"
    for text in (
        (TOP / "LICENSE").read_bytes(),
        archive.read(f"registration-{VERSION}.dist-info/licenses/{metadata['License-File']}"),
    ):
        assert hashlib.sha256(text).hexdigest() == AGPL


def test_the_installed_wheel_makes_a_database_and_publishes(wheel, tmp_path):
    # The packages are those of this environment; only the service itself comes from the wheel.
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    environment = {
        "FLASK_APP": "registration.wsgi",
        "REGISTRATION_INSTANCE": str(tmp_path / "instance"),
        "PATH": "/usr/bin:/bin",
    }
    script = (
        "from registration import create_app; import registration, sys\n"
        f"assert registration.__file__.startswith({str(site)!r})\n"
        "assert create_app().test_client().get('/').status_code == 200"
    )
    file = TOP / "instance" / "discussions" / "bloody-january.toml"
    for arguments in (
        ["-m", "flask", "database", "upgrade"],
        ["-m", "flask", "discussion", "publish", file],
        ["-c", script],
    ):
        subprocess.run([python, *arguments], cwd=tmp_path, env=environment, check=True)
