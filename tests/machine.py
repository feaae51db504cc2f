"""Programs that a machine may lack: a skip with its reason, and a failure with CI=true."""

import os
import shutil

import pytest


def require(condition: object, reason: str) -> None:
    """Skip the test for this reason unless the condition is true; with CI=true, fail."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI skips nothing")
    pytest.skip(reason)


def program(*names: str) -> str:
    """Return the path of the first of these programs, or skip the test."""
    path = next(filter(None, map(shutil.which, names)), None)
    require(path, f"{names[0]} is not installed")
    assert path is not None
    return path


def without_privileges() -> tuple[str, ...]:
    """Return what runs a program so that file modes bind it, even where tests run as root."""
    if os.geteuid() != 0:
        return ()
    capabilities = "-dac_override,-dac_read_search"
    bounds = (f"--bounding-set={capabilities}", f"--inh-caps={capabilities}")
    return (program("setpriv"), *bounds)


# For tests that do not depend on the kind of database, and for tests of one kind alone.
on_sqlite = pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("instance", ["postgresql"], indirect=True)
