"""The discussions of whoever is signed in, with their numbers at a glance."""

from flask import render_template

from ... import house
from ...database import reading
from ...services import counting
from .. import forms
from . import organizer, place


@place.get("/")
def overview() -> str:
    """The discussions that one has, and how many come."""
    with reading() as session:
        found = counting.overview(session, organizer(), now=house.now())
        identity = organizer().identity(house.ring(session))
    return render_template(
        "organizing/overview.html",
        found=found,
        address=identity.address,
        organizer=organizer(),
        button=forms.button(),
    )
