"""The server is killed at any moment: nothing that was acknowledged is lost, nothing is told twice.

The short form of `tests/reliability/kills.py`: a few kills while clients register and confirm.
"""

import sys

import pytest

from ..machine import require
from ..reliability.installations import has_postgres
from ..reliability.kills import Plan, carry_out

pytestmark = pytest.mark.slow

PLANS = [Plan("sqlite", 2, 60), Plan("postgresql", 2, 60, of_postgres=(1, 2))]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.kind)
def test_kill_loses_nothing_and_sends_no_letter_under_two_names(plan, capsys):
    require(plan.kind == "sqlite" or has_postgres(), "PostgreSQL is not installed")
    tally = carry_out(plan)
    with capsys.disabled():
        sys.stdout.write(f"\ncrash on {plan.kind}: {plan.kills} kills, {tally.comparison}\n")
    assert tally.comparison.is_sound
    assert tally.comparison.stored >= tally.acked >= plan.registrations
    assert tally.faults == 0
