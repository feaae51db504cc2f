"""A few histories of the state machine, the same in every run; `make crash` tries many more."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from .state_machine import Registrations


def emptied(found: dict) -> dict:
    """Take the database's files away."""
    for path in Path(found["INSTANCE"]).glob("registration.sqlite3*"):
        path.unlink()
    return found


@pytest.mark.parametrize(
    ("histories", "least_steps"), [(3, 40), pytest.param(6, 100, marks=pytest.mark.slow)]
)
def test_the_model_is_right_after_any_sequence_of_events(template, histories, least_steps):
    def installed(folder: Path) -> dict:
        shutil.copytree(template, folder / "instance")
        return {"INSTANCE": str(folder / "instance")}

    class OnSqlite(Registrations):
        pass

    OnSqlite.installed, OnSqlite.emptied = staticmethod(installed), staticmethod(emptied)
    few = settings(
        max_examples=histories,
        stateful_step_count=20,
        derandomize=True,
        database=None,
        deadline=None,
        # A history of a few steps is read as it is: making it shorter takes minutes.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OnSqlite, settings=few)
    assert OnSqlite.steps > least_steps
