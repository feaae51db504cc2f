"""The catalogue of words is current. That every page asks it: tests/web/test_words.py."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent.parent


def test_the_catalogue_of_words_is_current(tmp_path):
    fresh = tmp_path / "messages.pot"
    command = [
        *(sys.executable, "-m", "babel.messages.frontend", "-q", "extract", "-F", "pyproject.toml"),
        *("-k", "N_ngettext:1,2"),
        *("--omit-header", "--sort-by-file", "--no-location", "-o", fresh, "."),
    ]
    subprocess.run(command, cwd=TOP, check=True)
    kept = TOP / "registration" / "translations" / "messages.pot"
    assert fresh.read_text() == kept.read_text(), "extract the words again (CONTRIBUTING.md)"
