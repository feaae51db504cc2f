"""Hostile inputs: no failure, nothing injected, and accepted values are read back equal.

A few inputs of each kind, the same in every run; `make crash` tries many more.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from .. import builders
from . import readers
from .properties import PROPERTIES
from .readers import Injection, NotReadBack, ServerFault

FEW = {
    "requests": 80,
    "forms": 12,
    "discussion files": 12,
    "addresses": 12,
    "mail servers' answers": 8,
}


@pytest.mark.parametrize("share", [0.5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tried", PROPERTIES, ids=lambda tried: tried.name)
def test_hostile_inputs_break_nothing_and_are_read_back_equal(service, tried, share):
    accepted = []

    @settings(
        max_examples=round(share * FEW.get(tried.name, 30)),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(tried.inputs)
    def one(drawn):
        accepted.append(tried.check(service, drawn))

    one()
    assert any(accepted), "nothing was accepted, so nothing was read back"


@pytest.mark.parametrize(
    "page",
    [
        "<p>a<script>alert(1)</script></p>",
        "<style>p {}</style>",
        "<p onclick='x'>a</p>",
        "<a href=' javascript:alert(1)'>a</a>",
        "<a href='data:text/html,x'>a</a>",
        "<link rel=stylesheet href='https://evil.example'>",
    ],
)
def test_a_tag_an_attribute_or_an_address_that_nobody_meant_is_found(service, page):
    with pytest.raises(Injection):
        readers.page(f"<!doctype html><body>{page}", service.known)


@pytest.mark.parametrize("more", [b"Bcc: x@example.org\r\n", b"Subject: y\r\n"])
def test_a_header_that_nobody_meant_is_found(service, more):
    builders.register_and_confirm()
    (content,) = service.letters()
    service.forget_people()
    readers.letter(content)
    with pytest.raises(Injection):
        readers.letter(more + content)


def test_a_property_that_nobody_meant_is_found(service):
    content = service.client.get("/discussions/water.ics").data
    readers.calendar(content)
    alarm = b"BEGIN:VALARM\r\nACTION:AUDIO\r\nEND:VALARM\r\n"
    spoiled = content.replace(b"END:VEVENT", alarm + b"END:VEVENT")
    with pytest.raises(Injection):
        readers.calendar(spoiled)


def test_a_cell_that_runs_and_a_row_too_long_are_found():
    for written in ("a,b\r\n=1,x\r\n", "a,b\r\n1,2,3\r\n"):
        with pytest.raises(Injection):
            readers.cells(written)


def test_lost_values_and_failures_are_told(service):
    with pytest.raises(NotReadBack):
        readers.accepted_as("Aigerim", "Aigeri", "name")
    readers.accepted_as("e\u0301  x", "\u00e9 x", "name")
    readers.accepted_as("\u200b", "", "name")
    with pytest.raises(ServerFault):
        service.get("/nothing")
