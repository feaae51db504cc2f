"""What a machine may lack: said aloud and skipped, and a failure where CI promises it."""

import os
import shutil

import pytest


def needs(found: object, lack: str) -> None:
    """Skip the test if nothing was `found`; with CI=true, fail."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{lack}, and CI skips nothing")
    pytest.skip(lack)


def program(*names: str) -> str:
    """Return the path of the first of these programs, or skip the test."""
    found = next(filter(None, map(shutil.which, names)), None)
    needs(found, f"{names[0]} is not installed")
    assert found is not None
    return found


# For what has nothing to do with the kind of database, and for what one kind alone can show.
on_sqlite = pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("instance", ["postgresql"], indirect=True)
