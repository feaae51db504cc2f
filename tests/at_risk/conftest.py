"""Fixtures of the tests of an installation at risk."""

import pytest
from flask import Flask

from ..visitor import Visitor


@pytest.fixture
def visitor_at_risk(at_risk: Flask, clock) -> Visitor:
    """Somebody with a browser of their own, at a site with AT_RISK."""
    return Visitor(at_risk, clock)
