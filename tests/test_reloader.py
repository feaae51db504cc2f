"""`make dev`: a change to the code is served at once, and a mistake does not end it."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from .reloader import WATCHED
from .server_process import FLASK, TOP, environment, free_port

PATIENCE_SECONDS = 20


@pytest.fixture
def checkout(tmp_path: Path, template: Path) -> Path:
    """A copy of the service's code, with an installation of its own."""
    for name in WATCHED:
        copy = shutil.copytree if (TOP / name).is_dir() else shutil.copy
        copy(TOP / name, tmp_path / name)
    shutil.copytree(template, tmp_path / "instance")
    return tmp_path


@pytest.fixture
def page(checkout: Path) -> Iterator[str]:
    """The address of its agenda, while the reloader serves it."""
    port = str(free_port())
    settings = environment({}) | {"PYTHONPATH": str(TOP), "FLASK_DEBUG": "1"}
    command = [sys.executable, "-m", "tests.reloader", *FLASK, "serve", "--port", port]
    with subprocess.Popen(command, cwd=checkout, env=settings) as process:
        yield f"http://127.0.0.1:{port}/"
        process.terminate()


def wait_for(page: str, words: str | None) -> None:
    """Wait until the page has these words; for None, until nothing answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urlopen(page) as answer:
                found = answer.read().decode()
        except (URLError, ConnectionError):
            found = None
        if found is None if words is None else found and words in found:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def change(file: Path, old: str, new: str) -> None:
    """Write `new` in place of `old`, which has to stand there."""
    text = file.read_text()
    assert re.search(old, text)
    file.write_text(re.sub(old, new, text))


@pytest.mark.slow
def test_changes_of_templates_and_modules_are_served_at_once(checkout, page):
    wait_for(page, "All discussions")
    change(checkout / "templates/layouts/page.html", "All discussions", "Every discussion")
    wait_for(page, "Every discussion")
    module = checkout / "registration/config/__init__.py"
    change(module, '"SITE_NAME": "Discussions"', '"SITE_NAME": "Tuesday talks')
    wait_for(page, None)
    change(module, "Tuesday talks", 'Tuesday talks"')
    wait_for(page, "Tuesday talks")
